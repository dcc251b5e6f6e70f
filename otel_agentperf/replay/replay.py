"""One replay from end to end: sources in, what came of them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

import msgspec

from otel_agentperf.config import Settings
from otel_agentperf.replay import opening
from otel_agentperf.replay.documents import TooLongError
from otel_agentperf.replay.engines import ReplayEngine
from otel_agentperf.replay.outcome import Outcome, nothing
from otel_agentperf.replay.pieces import Piece, UnknownFormError, pieces_of
from otel_agentperf.replay.plan import MAX_TRACE_SPANS, Plan
from otel_agentperf.replay.sources import Source
from otel_agentperf.replay.troubles import Trouble, Troubles

_BUCKET_BYTES = 6 << 20
_MIN_BUCKETS, _MAX_BUCKETS = 8, 180
"""A worker keeps a file for each bucket open."""
_TRACE_BYTES = 1 << 20
"""What a backend may answer to one request, about."""
_COMPRESSED_TO = 8
"""How many times smaller compressed traces are, about."""


def plan_for(sources: Sequence[Source], settings: Settings, *, top: int = 10, session_id: str | None = None) -> Plan:
    """Plan a replay.

    Args:
        sources: what is read; its size decides the number of buckets.
        settings: rules, prices and limits.
        top: how many runs and sessions to tell in detail.
        session_id: the session that is asked for.
    """
    size = sum(map(_size, sources))
    return Plan(
        settings={field.name: _plain(getattr(settings, field.name)) for field in fields(settings)},
        buckets=min(_MAX_BUCKETS, max(_MIN_BUCKETS, size // _BUCKET_BYTES)),
        size=size,
        top=top,
        session_id=session_id,
    )


def _size(source: Source) -> int:
    if source.pieces is not None:
        return len(source.pieces) * _TRACE_BYTES
    return source.size * (_COMPRESSED_TO if source.is_compressed else 1)


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "items") else value


def pieces_in(sources: Iterable[Source], on_troubles: Callable[[Troubles], None], piece_bytes: int) -> Iterator[Piece]:
    """The pieces of all sources.

    Args:
        sources: what to read, in order.
        on_troubles: takes what cannot be read; the sources after it go on.
        piece_bytes: about how large a piece shall be.
    """
    for source in sources:
        if source.pieces is not None:
            yield from source.pieces
            continue
        try:
            yield from pieces_of(source.name, piece_bytes)
        except (OSError, EOFError, UnknownFormError, TooLongError) as error:
            on_troubles(Troubles([Trouble(source.name, opening.reason(error), unit="file")], 1))


def replay(
    sources: Sequence[Source],
    settings: Settings,
    engine: ReplayEngine,
    *,
    top: int = 10,
    session_id: str | None = None,
    max_trace_spans: int = MAX_TRACE_SPANS,
    baseline: str = "",
    learns: bool = False,
    known_in: str = "",
    on_troubles: Callable[[Troubles], None] = nothing,
    on_progress: Callable[[str, int, int], None] = nothing,
) -> Outcome:
    """Judge all runs of all sources.

    Args:
        sources: what to read.
        settings: rules, prices and limits.
        engine: carries the work out.
        top: how many runs and sessions to tell in detail.
        session_id: the session that is asked for; all of them where absent.
        max_trace_spans: the most spans of a trace that are kept.
        baseline: the path or address of what the rules are told is normal.
        learns: whether the runs are learned from; what was learned is in the outcome's sums.
        known_in: the store whose runs are not learned from again.
        on_troubles: takes what could not be read, as it comes in.
        on_progress: takes the round, how much of it is done, and of how much.

    Raises:
        UnreadableError: the baseline cannot be read.
        WorkerDiedError: a worker was killed.
        MissingExtraError: a library is absent.
        OSError: there is no room for what must be laid down in between.
    """
    plan = plan_for(sources, settings, top=top, session_id=session_id)
    plan = msgspec.structs.replace(
        plan, max_trace_spans=max_trace_spans, baseline=baseline, learns=learns, known_in=known_in
    )
    outcome = Outcome(plan, settings, on_troubles, on_progress)

    def take(troubles: Troubles) -> None:
        outcome.sums.troubles.merge(troubles)
        for trouble in troubles.kept:
            outcome.tallies.of(trouble.source).troubles += 1
        on_troubles(troubles)

    engine.run(pieces_in(sources, take, engine.piece_bytes), plan, outcome)
    empty = outcome.tallies.without_spans(sources)
    unread = outcome.tallies.unread()
    outcome.sums.troubles.merge(Troubles(unread, len(unread)))
    on_troubles(Troubles(unread + empty, len(unread + empty)))
    return outcome
