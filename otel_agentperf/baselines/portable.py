"""A baseline as one file to be carried about: gzipped JSON, that anything can read.

    {"format": "otel-agentperf baseline", "version": 1, "relative_error": 0.01,
     "subjects": [{"kind": "node", "name": "plan", "graph": "research", "node": "",
                   "days": [{"day": 20650, "successes": 9, "failures": 1,
                             "measures": {"duration_s": {"units": 1e9, "sum": 12000000000, "bins": [1160, 4, 7, 5]}}}]}],
     "advice": [{"day": 20650, "name": "model/learned", "millionths": {"right": 9000000, "cost_ratios": 7500000}}]}

`day` counts from 1970-01-01, UTC. `sum` and the bins are of whole units, of which `units` make 1. `bins` holds pairs: by
how much the bin's key is higher than that of the bin before (at first: than 0), and its count. The bin of key -1
holds zeros, that of key k the values up to g^k and above g^(k-1), where g = (1 + relative_error) / (1 - relative_error).
`advice`, what came of it, is there only where there is any.

The same baseline is the same bytes, in whatever order it was learned and merged.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Mapping

import msgspec

from otel_agentperf.baselines.advised import Advised
from otel_agentperf.baselines.normals import Measure, Subject, SubjectKind
from otel_agentperf.baselines.sketch import RELATIVE_ERROR, Sketch
from otel_agentperf.baselines.tally import MEASURES, UNITS, Cell, Tally

FORMAT, VERSION = "otel-agentperf baseline", 1
ENDING = ".json.gz"
GZIP = b"\x1f\x8b"
MOST_UNPACKED_BYTES = 256 << 20
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_LEVEL = 6
_LAST_DAY = 2_932_896
"""31 December 9999, as days since 1970-01-01."""


class UnreadableError(ValueError):
    """Something that is no baseline, or one that a newer program wrote. The message says which."""


class _Measure(msgspec.Struct):
    units: float
    sum: int
    bins: list[int]


class _Day(msgspec.Struct):
    day: int
    successes: int
    failures: int
    measures: dict[str, _Measure]


class _Subject(msgspec.Struct):
    kind: str
    name: str
    graph: str
    node: str
    days: list[_Day]


class _Head(msgspec.Struct):
    format: str = ""
    version: int = 0
    relative_error: float = 0.0


class _Advised(msgspec.Struct):
    day: int
    name: str
    millionths: dict[str, int]


class _File(msgspec.Struct, omit_defaults=True):
    format: str
    version: int
    relative_error: float
    subjects: list[_Subject]
    advice: list[_Advised] = []


def written(subjects: Iterable[tuple[Subject, Mapping[int, Cell]]], advised: Advised | None = None) -> bytes:
    """A baseline as a file.

    Args:
        subjects: with their days, in any order.
        advised: what came of advice.
    """
    ordered = sorted(subjects, key=lambda item: item[0])
    found = [_subject(subject, days) for subject, days in ordered if days]
    file = _File(FORMAT, VERSION, RELATIVE_ERROR, found, _advice(advised or Advised()))
    return gzip.compress(msgspec.json.encode(file), _LEVEL, mtime=0)


def _subject(subject: Subject, days: Mapping[int, Cell]) -> _Subject:
    found = [
        _Day(
            day,
            cell.successes,
            cell.failures,
            {
                measure.value: _Measure(UNITS[measure], sketch.total, sketch.packed())
                for measure in MEASURES
                if (sketch := cell.sketches.get(measure)) is not None
            },
        )
        for day, cell in sorted(days.items())
    ]
    return _Subject(subject.kind.value, subject.name, subject.graph, subject.node, found)


def _advice(advised: Advised) -> list[_Advised]:
    told: dict[tuple[int, str], dict[str, int]] = {}
    for (day, name, count), amount in sorted(advised.items()):
        told.setdefault((day, name), {})[count] = amount
    return [_Advised(day, name, counts) for (day, name), counts in told.items()]


def read(data: bytes, name: str) -> Tally:
    """Read such a file, gzipped or not.

    Args:
        data: what is in it.
        name: of it, for messages.

    Raises:
        UnreadableError: it is no baseline, damaged, or a newer program's.
    """
    try:
        text = _unpacked(data, name) if data.startswith(GZIP) else data
        _check(msgspec.json.decode(text, type=_Head), name)
        tally = Tally()
        file = msgspec.json.decode(text, type=_File)
        for subject in file.subjects:
            found = Subject(SubjectKind(subject.kind), subject.name, subject.graph, subject.node)
            for day in subject.days:
                _check_day(day.day, name)
            tally.merge(found, {day.day: _cell(day) for day in subject.days})
        for each in file.advice:
            _check_day(each.day, name)
            counts = {(each.day, each.name, count): amount for count, amount in each.millionths.items()}
            tally.add_advised(Advised(counts))
    except UnreadableError:
        raise
    except (OSError, EOFError, zlib.error, ValueError, msgspec.MsgspecError) as error:
        raise UnreadableError(f"{name} cannot be read as a baseline: {error}") from None
    return tally


def _unpacked(data: bytes, name: str) -> bytes:
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    text = unpacking.decompress(data, MOST_UNPACKED_BYTES)
    if unpacking.unconsumed_tail:
        raise UnreadableError(f"{name} is no baseline: it unpacks to more than {MOST_UNPACKED_BYTES >> 20} MB")
    if not unpacking.eof:
        raise EOFError("it ends too early")
    return text


def _check(head: _Head, name: str) -> None:
    if head.format != FORMAT:
        raise UnreadableError(f"{name} is no baseline")
    if head.version > VERSION:
        raise UnreadableError(
            f"{name} was written by a newer otel-agentperf (version {head.version}, this one knows {VERSION})"
        )
    if head.relative_error != RELATIVE_ERROR:
        raise UnreadableError(f"{name} has bins of another width ({head.relative_error}, not {RELATIVE_ERROR})")


def _check_day(day: int, name: str) -> None:
    if not 0 <= day <= _LAST_DAY:
        raise UnreadableError(f"{name} cannot be read as a baseline: day {day} is none (0 to {_LAST_DAY} are allowed)")


def _cell(day: _Day) -> Cell:
    measures = set(Measure)
    sketches = {
        Measure(name): Sketch.unpacked(measure.bins, measure.sum)
        for name, measure in day.measures.items()
        if name in measures
    }
    return Cell(day.successes, day.failures, sketches)
