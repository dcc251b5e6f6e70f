"""Reads a JSON document, in whichever form its spans are.

Most are OTLP in its envelope, which is decoded at one go. Any other is looked at by the names of its fields: a part of
OTLP without its envelope, an answer of a backend around it, Jaeger's traces, what an SDK prints, or a
form that is not read. A list is read item by item, so that a document may mix them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from otel_agentperf.replay import foreign, jaeger, otlp_json, sdk_spans
from otel_agentperf.replay.documents import Document
from otel_agentperf.replay.foreign import Form
from otel_agentperf.replay.packing import Packer
from otel_agentperf.replay.records import Reader

_MAX_WRAPPED = 8
"""How many lists and envelopes may be around a document."""
_ENVELOPES = ("result", "data", "runs", "rows", "batch", "spans", "traces", "Traces")
"""Fields that hold documents: `result` of Jaeger's third interface, and those of other tools."""
_OTLP_KEYS = frozenset({"resourceSpans", "resource_spans", "batches"})
_OPENING = (b"{", b"[")
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])


class JsonDocuments:
    """Reads JSON documents.

    Args:
        packer: takes their spans.
        reader: reads them.
        on_trouble: takes what could not be read, and why.
        on_unread: takes the form of a document that is not read.
    """

    def __init__(
        self, packer: Packer, reader: Reader, on_trouble: Callable[[str], None], on_unread: Callable[[Form], None]
    ) -> None:
        self._packer = packer
        self._reader = reader
        self._on_trouble = on_trouble
        self._on_unread = on_unread

    def read(self, data: Document, wrapped: int = 0) -> None:
        """Read an object, or a list of them.

        Args:
            data: its text.
            wrapped: how many lists and envelopes are around it.

        Raises:
            msgspec.MsgspecError: it is no JSON, or OTLP in which something has a wrong type.
            UnicodeError: a text in it is none.
            RecursionError: it nests too deeply.
        """
        try:
            found = otlp_json.documents(data)
            if found and otlp_json.may_have_other_names(found[0]):
                renamed = otlp_json.with_json_names(data)
                found = found if renamed is data else otlp_json.documents(renamed)
        except msgspec.ValidationError:
            if not self._other(data, wrapped, has_wrong_type=True):
                raise
            return
        if all(otlp_json.batches_of(document) is not None for document in found):
            for document in found:
                self._troubles(otlp_json.take(document, self._packer, self._reader))
        else:
            self._other(data, wrapped)

    def _other(self, data: Document, wrapped: int, *, has_wrong_type: bool = False) -> bool:
        """Read what is no OTLP in its envelope; False where it is, so that its fault is to be named."""
        if bytes(data[:1]) == b"[":
            for item in _items.decode(data):
                self._inner(item, wrapped)
            return True
        fields = _fields.decode(data)
        if fields.keys() & _OTLP_KEYS:
            return not has_wrong_type
        if fields and not self._is_read(msgspec.Raw(data), fields):
            form = foreign.form_of_fields(fields)
            inner = next((fields[key] for key in _ENVELOPES if key in fields and _is_open(fields[key])), None)
            if inner is not None and form is foreign.JSON:
                self._inner(inner, wrapped)
            else:
                self._on_unread(form)
        return True

    def _inner(self, data: msgspec.Raw, wrapped: int) -> None:
        """Read an item of a list, or what is in an envelope."""
        if not _is_open(data) or wrapped == _MAX_WRAPPED:
            self._on_unread(foreign.JSON)
            return
        try:
            self.read(memoryview(data), wrapped + 1)
        except (msgspec.MsgspecError, UnicodeError) as error:
            self._on_trouble(str(error))

    def _is_read(self, data: msgspec.Raw, fields: Mapping[str, msgspec.Raw]) -> bool:
        """Read an object of one of the other forms that are; whether it is any."""
        if sdk_spans.is_python(fields) or sdk_spans.is_javascript(fields):
            is_javascript = sdk_spans.is_javascript(fields)
            self._troubles(sdk_spans.take(data, self._packer, self._reader, javascript=is_javascript))
            return True
        traces = jaeger.traces_in(fields, data)
        if traces is not None:
            self._troubles(jaeger.take(traces, self._packer, self._reader))
            return True
        document = otlp_json.without_envelope(data, fields)
        if document is None:
            return False
        self._troubles(otlp_json.take(document, self._packer, self._reader))
        return True

    def _troubles(self, found: list[str]) -> None:
        for why in found:
            self._on_trouble(why)


def _is_open(data: msgspec.Raw) -> bool:
    """Whether it is an object or a list."""
    return bytes(memoryview(data)[:1]) in _OPENING
