"""Jaeger's JSON, from its HTTP API or its user interface: `{"data": [{"spans", "processes"}]}`.

Times are in microseconds. Lists become JSON text on their way through Jaeger, so text that looks
like a list is read as one where an attribute is known to hold a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from otel_agentperf import reading, semconv
from otel_agentperf.reading import values
from otel_agentperf.replay import records
from otel_agentperf.replay.packing import Packer, packed_of
from otel_agentperf.replay.records import BadSpanError, Process, Reader, Record, trace_id_of, without_trace_id

_NS_PER_US = 1_000
_LISTS = frozenset(
    {
        semconv.RESPONSE_FINISH_REASONS,
        semconv.REQUEST_PREFIX_HASHES,
        semconv.REQUEST_PREFIX_SIZES,
        semconv.REQUEST_USES,
        semconv.RUN_CRITICAL_PATH,
    }
)


class _Trace(msgspec.Struct, gc=False):
    spans: list[msgspec.Raw] | None = None
    processes: dict[str, msgspec.Raw] | None = None


class _Cut(msgspec.Struct, rename={"trace_id": "traceID", "process_id": "processID"}, gc=False):
    trace_id: str = ""
    process_id: str = ""
    process: msgspec.Raw = msgspec.Raw()


class _Tag(msgspec.Struct, gc=False):
    key: str = ""
    value: str | int | float | bool | None = None


class _Log(msgspec.Struct, gc=False):
    fields: list[_Tag] | None = None


class _Reference(msgspec.Struct, rename={"kind": "refType", "trace_id": "traceID", "span_id": "spanID"}, gc=False):
    kind: str = ""
    trace_id: str = ""
    span_id: str = ""


class _Span(
    msgspec.Struct,
    rename={
        "trace_id": "traceID",
        "span_id": "spanID",
        "parent_id": "parentSpanID",
        "name": "operationName",
        "start": "startTime",
    },
    gc=False,
):
    trace_id: str = ""
    span_id: str = ""
    parent_id: str | None = None
    name: str = ""
    start: int | float = 0
    duration: int | float = 0
    references: list[_Reference] | None = None
    tags: list[_Tag] | None = None
    logs: list[_Log] | None = None


class _Process(msgspec.Struct, rename={"service": "serviceName"}, gc=False):
    service: str = ""
    tags: list[_Tag] | None = None


_traces: msgspec.json.Decoder[list[_Trace] | _Trace] = msgspec.json.Decoder(list[_Trace] | _Trace)
_cuts = msgspec.json.Decoder(_Cut)
_spans = msgspec.json.Decoder(_Span)
_ids = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ID_KEYS = frozenset({"traceID", "spanID"})
_processes = msgspec.json.Decoder(_Process)


def traces_in(fields: Mapping[str, msgspec.Raw], whole: msgspec.Raw) -> list[_Trace] | None:
    """The traces of an object; `None` where it has none of Jaeger's.

    Args:
        fields: its fields: `data` holds a list of traces, or one.
        whole: the object, which may be a trace itself.
    """
    data = fields.get("data", whole if {"spans", "processes"} <= fields.keys() else None)
    try:
        found = _traces.decode(data) if data is not None else None
        traces = found if isinstance(found, list) or found is None else [found]
        spans = next((trace.spans for trace in traces or () if trace.spans), None)
        if traces is None or spans is None:
            # Nothing was found, or these are traces of somebody else.
            return traces if traces is not None and all(trace.spans is not None for trace in traces) else None
        return traces if _ids.decode(spans[0]).keys() & _ID_KEYS else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def take(found: list[_Trace], packer: Packer, reader: Reader) -> list[str]:
    """Read the spans of traces.

    Args:
        found: of `traces_in`.
        packer: takes the spans.
        reader: reads them.

    Returns:
        What could not be read, and why.
    """
    bad, told = 0, list[str]()
    for trace in found:
        processes = trace.processes or {}
        for span in trace.spans or ():
            try:
                ids = _cuts.decode(span)
                trace_id = trace_id_of(ids.trace_id)
            except (ValueError, RecursionError):
                bad += 1
                continue
            own = ids.process if bytes(ids.process) else processes.get(ids.process_id)
            traces = packer.of(bytes(own) if own is not None else b"", process)
            try:
                packed_of(traces, trace_id).add(read(reader, span, trace_id))
            except BadSpanError as error:
                told.append(str(error))
    return [without_trace_id(bad), *told] if bad else told


def process(resource: bytes) -> Process:
    """Who a process is; what cannot be read is unknown."""
    try:
        said = _processes.decode(resource) if resource else _Process()
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        said = _Process()
    return records.process_of({**_table(said.tags), "service.name": said.service})


def read(reader: Reader, span: msgspec.Raw, trace_id: str) -> Record:
    """Read one span.

    Args:
        reader: makes the record.
        span: its text.
        trace_id: 32 hex digits.

    Raises:
        BadSpanError: it has no id that it could be placed by, or is wrongly typed.
    """
    try:
        said = _spans.decode(span)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BadSpanError("a span that is none of Jaeger's") from None
    tags = _table(said.tags)
    start_ns = records.time_of(said.start * _NS_PER_US)
    events = [_event(log) for log in said.logs or ()]
    operation = reading.read(
        said.name,
        tags,
        scope=values.text(tags, "otel.scope.name", "otel.library.name") or "",
        span_id=records.span_id_of(said.span_id),
        parent_id=_parent_id(said),
        trace_id=trace_id,
        start_ns=start_ns,
        end_ns=records.time_of((said.start + said.duration) * _NS_PER_US),
        is_error=tags.get("otel.status_code") == "ERROR" or values.flag(tags, "error") is True,
        events=events,
        status_message=values.text(tags, "otel.status_description") or "",
        fingerprinter=reader.fingerprinter,
    )
    return records.record(operation, tags, events)


def _parent_id(span: _Span) -> str | None:
    """The span it is a child of, else one it follows."""
    named = [ref for ref in span.references or () if ref.trace_id in ("", span.trace_id)]
    named.sort(key=lambda ref: ref.kind != "CHILD_OF")
    text = named[0].span_id if named else span.parent_id
    try:
        return records.span_id_of(text) if text else None
    except BadSpanError:
        return None


def _event(log: _Log) -> tuple[str, dict[str, object]]:
    fields = _table(log.fields)
    return values.text(fields, "event", "name") or "", fields


def _table(tags: Iterable[_Tag] | None) -> dict[str, object]:
    return {tag.key: _listed(tag.value) if tag.key in _LISTS else tag.value for tag in tags or ()}


def _listed(value: object) -> object:
    decoded = values.decoded(value) if isinstance(value, str) and value.startswith("[") else value
    return tuple(decoded) if isinstance(decoded, list) else decoded  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
