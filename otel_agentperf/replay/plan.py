"""What a replay is to do, as it is handed to every worker, and what comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from otel_agentperf.analysis.breakdown import Breakdown
from otel_agentperf.analysis.fold import Digest
from otel_agentperf.analysis.ledger import RunHead, SessionSummary
from otel_agentperf.replay.learning import Lessons
from otel_agentperf.replay.standouts import Standouts
from otel_agentperf.replay.troubles import Troubles

MAX_SUGGESTED_IDS = 5
MAX_TRACE_SPANS = 100_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What every worker must know."""

    settings: Mapping[str, Any]
    """The settings by name."""
    buckets: int
    """How many buckets the spans, and then the sessions, are parted into."""
    top: int = 10
    """How many runs and sessions are told in detail."""
    session_id: str | None = None
    """The session that is asked for; all of them where absent."""
    size: int = 0
    """About how many bytes there are to read, decompressed."""
    max_trace_spans: int = MAX_TRACE_SPANS
    """The most spans of a trace that are kept."""
    baseline: str = ""
    """The path or address of what the rules are told is normal; workers open it themselves."""
    learns: bool = False
    """Whether the runs are learned from."""
    known_in: str = ""
    """The store whose runs are not learned from again."""


@dataclass(slots=True)
class SessionPart:
    """What one run adds to its session and its service."""

    session_id: str | None
    service: str
    digest: Digest
    breakdown: Breakdown
    head: RunHead
    is_run: bool = True


@dataclass(slots=True)
class Reduced:
    """What became of a bucket of spans."""

    packs: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """The parts of sessions, by bucket."""
    standouts: Standouts = field(default_factory=Standouts)
    spans: int = 0
    traces: int = 0
    runs: int = 0
    left_out: int = 0
    """Spans of traces beyond the limit."""
    blind_runs: int = 0
    """Runs with tool calls that carry no fingerprints."""
    fired: Counter[str] = field(default_factory=Counter[str])
    """Suggestions that matter, by rule."""
    rule_errors: Counter[str] = field(default_factory=Counter[str])
    troubles: Troubles = field(default_factory=Troubles)
    lessons: Lessons = field(default_factory=Lessons)

    def merge(self, other: Reduced) -> None:
        """Add another bucket; its packs are left out, since they have gone their own way."""
        for name in ("spans", "traces", "runs", "left_out", "blind_runs"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.standouts.merge(other.standouts)
        self.lessons.merge(other.lessons)
        self.fired.update(other.fired)
        self.rule_errors.update(other.rule_errors)
        self.troubles.merge(other.troubles)


@dataclass(slots=True)
class Joined:
    """What became of a bucket of sessions."""

    whole: Breakdown = field(default_factory=Breakdown)
    """All runs of the bucket, with what the rules over sessions add to the sums."""
    sessions: list[SessionSummary] = field(default_factory=list[SessionSummary])
    """The dearest ones, or the one that is asked for."""
    session_count: int = 0
    close_ids: list[str] = field(default_factory=list[str])
    """Ids like the one that is asked for."""
    services: dict[str, Digest] = field(default_factory=dict[str, Digest])
    fired: Counter[str] = field(default_factory=Counter[str])
    rule_errors: Counter[str] = field(default_factory=Counter[str])


def dearest_first(session: SessionSummary) -> tuple[float, float, str]:
    """The order in which sessions are told."""
    return -float(session.figures.costs.total_usd or 0), -session.figures.duration_s, session.id
