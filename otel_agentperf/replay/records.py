"""What is kept of a span on file: the operation, and what was said of its run. And who reported it."""

from __future__ import annotations

import base64
import re
from binascii import Error as NotHexError
from binascii import unhexlify
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from otel_agentperf import semconv
from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.model import Operation
from otel_agentperf.reading import values
from otel_agentperf.reading.carriers import Events
from otel_agentperf.reading.evaluations import evaluation
from otel_agentperf.reading.verdicts import RecordedRun, recorded_run

_HEX = re.compile(r"[0-9a-f]{16}\Z")
_TOO_MANY_REQUESTS = 429
KNOWS_REMOTE, IS_REMOTE = 0x100, 0x200
"""Bits of a span's flags in OTLP."""
LATEST_NS = 2**63 - 1
_IDENTITY = (
    "service.namespace",
    "service.name",
    "service.instance.id",
    "host.id",
    "host.name",
    "container.id",
    "k8s.pod.uid",
    "process.pid",
)
"""Attributes of a resource that tell one process from another."""
UNKNOWN_SERVICE = "unknown_service"


class Process(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Who reported a span."""

    service: str = UNKNOWN_SERVICE
    identity: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """All that is kept of a span."""

    operation: Operation
    parent_is_near: bool | None = None
    """Whether its parent is of the same process, where the span says so."""
    recorded: RecordedRun | None = None
    """What our processor wrote on the root of a run."""
    success: bool | None = None
    """What an evaluation result on it says."""
    score: float | None = None


class BadSpanError(ValueError):
    """A span without an identity that it could be placed by, or with a number that none can hold."""


def process_of(attributes: Mapping[str, object]) -> Process:
    """Who a resource is."""
    identity = tuple(f"{key}={attributes[key]}" for key in _IDENTITY if key in attributes)
    return Process(values.text(attributes, "service.name") or UNKNOWN_SERVICE, identity)


def span_id_of(text: object) -> str:
    """A span's id in its canonical form.

    Raises:
        BadSpanError: it is none.
    """
    if isinstance(text, str):
        if _HEX.match(text) and text != NO_ID:
            return text
        lowered = text.strip().lower().zfill(16)
        if _HEX.match(lowered) and lowered != NO_ID:
            return lowered
    raise BadSpanError("a span without a valid id")


NO_ID = "0" * 16
TRACE_ID_BYTES = 16


def id_bytes(text: str, size: int) -> bytes:
    """The bytes of an id in hex or base64.

    Raises:
        ValueError: it is neither, or has another length.
    """
    if len(text) <= 2 * size:
        try:
            found = unhexlify(text.zfill(2 * size)) if text else b""
        except NotHexError:
            found = base64.b64decode(text, validate=True)
        if len(found) == size and any(found):
            return found
    raise ValueError("no id")


def trace_id_of(text: str) -> str:
    """A trace's id in its canonical form.

    Raises:
        ValueError: it is none.
    """
    return id_bytes(text, TRACE_ID_BYTES).hex()


def without_trace_id(spans: int) -> str:
    """What is to be told of spans that belong to no trace."""
    return f"{spans:,} {'span' if spans == 1 else 'spans'} without a valid trace id"


def time_of(value: object) -> int:
    """Unix nanoseconds; 0 where it is no time."""
    if value.__class__ is str:
        text: str = value  # pyright: ignore[reportAssignmentType]
        if text.isdecimal() and len(text) < 20:  # noqa: PLR2004 - the digits of 2**63
            return min(int(text), LATEST_NS)
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return int(min(max(value, 0), LATEST_NS)) if value == value else 0  # noqa: PLR0124 - not a number


def near(flags: int) -> bool | None:
    """Whether a span's parent is of its own process, as its flags say; `None` where they do not."""
    return not flags & IS_REMOTE if flags & KNOWS_REMOTE else None


class Reader(msgspec.Struct, frozen=True):
    """What spans are read with."""

    fingerprinter: Fingerprinter
    """Makes the fingerprints of recorded content."""


_KEY = "otel-agentperf analyze"
"""Keys the fingerprints of recorded content where no key is set: they never leave a replay."""


@lru_cache(maxsize=4)
def reader_with(key: str | None) -> Reader:
    """The reader whose fingerprints are made with a key, or with the one of every replay."""
    return Reader(Fingerprinter(key or _KEY))


def record(
    operation: Operation,
    attributes: Mapping[str, object],
    events: Events,
    *,
    parent_is_near: bool | None = None,
) -> Record:
    """Put together what is kept of a span.

    Args:
        operation: what `reading.read` made of it.
        attributes: its attributes.
        events: its events, by name.
        parent_is_near: whether its parent is of the same process, where that is known.
    """
    recorded = recorded_run(attributes)
    if not events:
        return Record(operation, parent_is_near, recorded)
    return Record(_with_attempts(operation, events), parent_is_near, recorded, *_evaluation(events))


def _with_attempts(operation: Operation, events: Events) -> Operation:
    inference = operation.inference
    if inference is None:
        return operation
    attempts = limited = waited_ns = 0
    for name, said in events:
        if name == semconv.EVENT_ATTEMPT:
            attempts = max(attempts, values.whole(said, semconv.ATTEMPT_NUMBER) or 0)
            limited += values.whole(said, semconv.HTTP_STATUS_CODE) == _TOO_MANY_REQUESTS
            waited_ns += values.seconds_as_ns(said, semconv.ATTEMPT_WAIT_S) or 0
    if not attempts:
        return operation
    inference = msgspec.structs.replace(inference, attempts=attempts, rate_limited=limited, retry_wait_ns=waited_ns)
    return msgspec.structs.replace(operation, inference=inference)


def _evaluation(events: Events) -> tuple[bool | None, float | None]:
    """The last word of the evaluation results among events."""
    success: bool | None = None
    score: float | None = None
    for name, said in events:
        if name == semconv.EVENT_EVALUATION:
            succeeded, given = evaluation(said)
            success = success if succeeded is None else succeeded
            score = score if given is None else given
    return success, score
