"""The rounds of a replay, as pure functions: engines carry the packs from one to the next.

1. `map_spans`: a piece of a source -> its spans, read and packed by bucket of traces.
2. `reduce_spans`: the packs of a bucket -> its runs judged, their parts by bucket of sessions.
3. `join_sessions`: the parts of a bucket -> its sessions and, in part, the services.

What rounds 2 and 3 return adds up in any order.
"""

from __future__ import annotations

import difflib
import heapq
import pickle
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from zlib import crc32

import msgspec

from otel_agentperf.analysis.breakdown import NS_PER_S, Breakdown, Opportunity, pico, usd_of
from otel_agentperf.analysis.fold import Fold
from otel_agentperf.analysis.itemize import breakdown_of
from otel_agentperf.analysis.ledger import MAX_HEADS, RunHead, session_summary
from otel_agentperf.analysis.savings import Saved
from otel_agentperf.baselines.opening import normals_of, opened
from otel_agentperf.config import Settings
from otel_agentperf.model import Extent, Suggestion
from otel_agentperf.plugins import chosen_rules
from otel_agentperf.replay.judging import Judged, TraceJudge
from otel_agentperf.replay.learning import store_to_ask
from otel_agentperf.replay.mapping import Mapped, map_piece
from otel_agentperf.replay.pieces import Piece
from otel_agentperf.replay.plan import MAX_SUGGESTED_IDS, Joined, Plan, Reduced, SessionPart
from otel_agentperf.replay.records import reader_with
from otel_agentperf.replay.reducing import reduce_bucket
from otel_agentperf.replay.standouts import Standouts
from otel_agentperf.rules.base import Scope

NO_TOOL_PRINTS = "Tool calls carry no fingerprints here: what would be found by comparing them is not."


class _Workshop:
    """What a worker makes once for all buckets of a plan."""

    def __init__(self, settings: Settings, baseline: str) -> None:
        self.settings = settings
        self.normals = normals_of(opened(baseline)) if baseline else None
        self.judge = TraceJudge(settings, self.normals)
        self.shared = frozenset(rule.code for rule in self.judge.rules if rule.scope is not Scope.RUN)

    def fold(self, scope: Scope, name: str) -> Fold:
        """What joins runs to a session or a service."""
        return Fold(self.judge.rules, scope, name, self.judge.prices, self.judge.on_error, self.normals)


@lru_cache(maxsize=1)
def _workshop(settings: bytes, baseline: str) -> _Workshop:
    return _Workshop(Settings(**pickle.loads(settings)), baseline)  # noqa: S301 - made by our own parent process


def _workshop_of(plan: Plan) -> _Workshop:
    return _workshop(pickle.dumps(dict(plan.settings)), plan.baseline)


def prepare(plan: Plan) -> None:
    """Load what every worker will need and what takes long, before a process is copied.

    Nothing that is opened: a copy must not share it.

    Args:
        plan: what is to be done.
    """
    if chosen_rules(Settings(**plan.settings)):
        from otel_agentperf.pricing import catalog  # noqa: PLC0415 - imports genai-prices, which is slow

        catalog.load()


# -- round 1 -------------------------------------------------------------------------------


def map_spans(piece: Piece, plan: Plan) -> Mapped:
    """Read the spans of a piece and pack them by trace.

    Args:
        piece: a part of a source.
        plan: what is to be done.

    Raises:
        MissingExtraError: a library is absent.
    """
    return map_piece(piece, plan.buckets, reader_with(plan.settings.get("fingerprint_key")))


# -- round 2 -------------------------------------------------------------------------------


def reduce_spans(packs: Iterable[bytes], plan: Plan) -> Reduced:
    """Judge the runs of a bucket of traces.

    Args:
        packs: all packs of the bucket, in any order.
        plan: what is to be done.
    """
    shop = _workshop_of(plan)
    shop.judge.rule_errors.clear()
    reduced = Reduced(standouts=Standouts(plan.top))
    parts: dict[int, list[SessionPart | str]] = defaultdict(list)
    store = store_to_ask(plan.known_in) if plan.learns else None
    for trace in reduce_bucket(packs, plan.max_trace_spans):
        reduced.traces += 1
        reduced.spans += trace.spans + trace.left_out
        reduced.left_out += trace.left_out
        for judged in shop.judge.judge(trace):
            if plan.learns and judged.summary.is_run:
                reduced.lessons.take(judged, store)
            root, session_id = judged.run.root, judged.summary.session_id
            listed = parts[_bucket_of(session_id or f"{root.trace_id}{root.span_id}", plan)]
            if plan.session_id is None or session_id == plan.session_id:
                listed.append(_take(judged, reduced, shop))
            elif session_id is not None:
                listed.append(session_id)
    for bucket, listed in parts.items():
        reduced.packs[bucket] = pickle.dumps(listed, pickle.HIGHEST_PROTOCOL)
    if store is not None:
        store.close()
    reduced.rule_errors.update(shop.judge.rule_errors)
    return reduced


def _bucket_of(name: str, plan: Plan) -> int:
    return crc32(name.encode("utf-8", "replace")) % plan.buckets


def _take(judged: Judged, reduced: Reduced, shop: _Workshop) -> SessionPart:
    summary = judged.summary
    reduced.runs += summary.is_run
    reduced.blind_runs += judged.is_blind
    reduced.fired.update(_that_matter(shop, (item for item in summary.suggestions if item.rule not in shop.shared)))
    notes = (*judged.notes, NO_TOOL_PRINTS) if judged.is_blind else judged.notes
    breakdown = breakdown_of(summary, shared=shop.shared)
    breakdown.overlap_ns, breakdown.other_overlap_ns = judged.overlap_ns, judged.other_overlap_ns
    if summary.session_id is not None and summary.suggestions:
        # What is to be said of its session is not known before all of its runs are.
        summary = msgspec.structs.replace(
            summary,
            suggestions=tuple(item for item in summary.suggestions if item.rule not in shop.shared),
            savings=Saved(usd_of(breakdown.saved_pico), breakdown.saved_ns / NS_PER_S),
        )
    if summary.is_run:
        reduced.standouts.add(
            judged.run,
            summary,
            root_seen=judged.root_seen,
            notes=notes,
            threshold=shop.settings.optimization_threshold,
        )
    return SessionPart(
        summary.session_id,
        judged.service,
        judged.digest,
        breakdown,
        RunHead.of(summary, judged.run.root.trace_id),
        summary.is_run,
    )


def _that_matter(shop: _Workshop, suggestions: Iterable[Suggestion]) -> list[str]:
    threshold = shop.settings.optimization_threshold
    return [suggestion.rule for suggestion in suggestions if suggestion.impact_score >= threshold]


# -- round 3 -------------------------------------------------------------------------------


def join_sessions(packs: Iterable[bytes], plan: Plan) -> Joined:
    """Join the runs of a bucket to sessions, and in part to services.

    Args:
        packs: all packs of the bucket, in any order.
        plan: what is to be done.
    """
    shop = _workshop_of(plan)
    shop.judge.rule_errors.clear()
    joined = Joined()
    sessions: dict[str, list[SessionPart]] = defaultdict(list)
    others: set[str] = set()
    for pack in packs:
        listed: list[SessionPart | str] = pickle.loads(pack)  # noqa: S301 - made by our own workers
        for part in listed:
            if isinstance(part, str):
                others.add(part)
            else:
                sessions[part.session_id or ""].append(part)
    services: dict[str, Fold] = {}
    judged: list[_JudgedSession] = []
    for session_id, parts in sorted(sessions.items()):
        parts.sort(key=_place)
        groups = [parts] if session_id else [[part] for part in parts]
        judged.extend(_JudgedSession(session_id, group, shop) for group in groups)
        for part in parts:
            fold = services.get(part.service)
            if fold is None:
                fold = services[part.service] = shop.fold(Scope.PROCESS, part.service)
            fold.add(part.digest)
    named = [session for session in judged if session.id]
    listed_ones = {session.id for session in heapq.nsmallest(plan.top, named, key=_JudgedSession.dearest_first)}
    for session in judged:
        joined.fired.update(_that_matter(shop, session.suggestions))
        session.add_to(joined, is_listed=session.id in listed_ones)
    joined.session_count = len(named)
    joined.services = {name: fold.digest() for name, fold in services.items()}
    joined.session_count += len(others)
    if plan.session_id is not None:
        joined.close_ids = difflib.get_close_matches(plan.session_id, sorted(others), MAX_SUGGESTED_IDS, 0.5)
    joined.rule_errors.update(shop.judge.rule_errors)
    return joined


def _place(part: SessionPart) -> tuple[int, int, str]:
    head = part.head
    return head.start_ns, head.end_ns, head.trace_id


class _JudgedSession:
    """The runs of one session, joined and judged."""

    def __init__(self, session_id: str, parts: list[SessionPart], shop: _Workshop) -> None:
        self.id = session_id
        self._parts = parts
        self._own = Breakdown()
        fold = shop.fold(Scope.SESSION, session_id or parts[0].head.name)
        for part in parts:
            fold.add(part.digest)
            self._own.merge(part.breakdown)
        self.suggestions = fold.judge()
        if not session_id:  # a run without a session is all there is of it
            self.suggestions = [msgspec.structs.replace(item, extent=Extent.RUN) for item in self.suggestions]
        self._threshold = shop.settings.optimization_threshold

    def dearest_first(self) -> tuple[float, float, str]:
        """Its place, as `plan.dearest_first` has it."""
        return -float(self._own.totals.cost_usd), -self._own.shown_ns / NS_PER_S, self.id

    def add_to(self, joined: Joined, *, is_listed: bool) -> None:
        """Add it to the sums, and to the sessions that are told in detail."""
        own = self._own
        if is_listed or self.suggestions:
            heads = sorted(
                (part.head for part in self._parts if part.is_run), key=lambda head: (head.end_ns, head.trace_id)
            )
            summary = session_summary(self.id, own, heads[-MAX_HEADS:], self.suggestions, threshold=self._threshold)
            if is_listed:
                joined.sessions.append(summary)
            saved = summary.figures.savings
            own.saved_pico = max(own.saved_pico, pico(saved.cost_usd))
            own.saved_ns = max(own.saved_ns, round(saved.time_s * NS_PER_S))
            own.wasted_pico = max(own.wasted_pico, pico(saved.measured_cost_usd))
            own.wasted_ns = max(own.wasted_ns, round(saved.measured_time_s * NS_PER_S))
            own.add_opportunities(Opportunity.of(item) for item in self.suggestions)
        joined.whole.merge(own)
