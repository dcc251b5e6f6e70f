"""The engine: operations in, in the order in which they end; suggestions and run totals out.

Pure: no clock, no I/O, no telemetry. One engine serves many runs from many threads under one
re-entrant lock (a generator that the garbage collector closes may end a span in the middle
of any call). It drives rules of three scopes and makes, bounds and evicts their states. A
rule that raises is reported to `on_error` and left out of that call; everything else goes on.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count as counter
from typing import Any, NamedTuple

from otel_agentperf.analysis.ledger import SessionSummary, session_summary
from otel_agentperf.analysis.runs import Run, ScopeState, Session, count
from otel_agentperf.analysis.savings import Saved, saved
from otel_agentperf.analysis.scores import critical_path, efficiency_score, rating
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import BILLED_BY_TOKEN, Operation, OperationKind, SavingBasis, Suggestion
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.rules.base import Rule, Scope, View

AnyRule = Rule[Any]
_NO_JUDGE = AnyRule.judge
"""Of a rule that does not say what stands in the end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what the engine remembers."""

    live_runs: int = 10_000
    sessions: int = 2_000
    run_operations: int = 10_000


class _Slot(NamedTuple):
    """A rule, where its state stands in the list of its scope, and the scope."""

    rule: AnyRule
    place: int
    scope: Scope


_Observe = Callable[[Any, Operation, View], Iterable[Suggestion]]


def _watching(kind: OperationKind, slots: Iterable[_Slot]) -> tuple[tuple[_Observe, int, AnyRule], ...]:
    """The rules that watch a kind, each with its bound `observe`: this is gone through for every operation."""
    return tuple((slot.rule.observe, slot.place, slot.rule) for slot in slots if kind in slot.rule.watches)


class Engine:
    """Runs rules over operations.

    Args:
        rules: what to run, in order.
        limits: how much to remember.
        on_error: told of a rule that raised, with a site name and the error.
        prices: what rules ask for the price of the same tokens elsewhere.
    """

    def __init__(
        self,
        rules: Iterable[AnyRule],
        limits: Limits | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
        prices: PriceBook | None = None,
    ) -> None:
        self.prices = prices
        self.rules = tuple(rules)
        self.limits = limits if limits is not None else Limits()
        self.evictions: Counter[str] = Counter()
        self._on_error = on_error
        self._lock = threading.RLock()
        self._ids = counter(1)
        self._runs: OrderedDict[int, Run] = OrderedDict()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        slots: dict[Scope, list[_Slot]] = {scope: [] for scope in Scope}
        for rule in self.rules:
            slots[rule.scope].append(_Slot(rule, len(slots[rule.scope]), rule.scope))
        self._slots = slots
        self._watching = {
            kind: tuple((scope, watching) for scope in Scope if (watching := _watching(kind, slots[scope])))
            for kind in OperationKind
        }
        self._concluding = tuple(slot for scope in Scope for slot in slots[scope])
        self._shared = frozenset(rule.code for rule in self.rules if rule.scope is not Scope.RUN)
        self._process = self._new_process()

    def _new_process(self) -> ScopeState:
        view = View(Scope.PROCESS, "process", prices=self.prices)
        return ScopeState(view, [None] * len(self._slots[Scope.PROCESS]))

    def renew_lock(self) -> None:
        """Replace the lock, in a child process: a thread that it does not have may hold it."""
        self._lock = threading.RLock()

    @property
    def live_runs(self) -> int:
        """Runs that have begun and not finished."""
        return len(self._runs)

    def begin(self, name: str, session_id: str | None, start_ns: int, *, alone: bool = False) -> Run:
        """Begin a run.

        Args:
            name: the name of its root.
            session_id: the conversation id it belongs to, if one is known.
            start_ns: when it began, Unix nanoseconds.
            alone: gives the run a session and a process of its own, to be merged by `fold` later.
        """
        with self._lock:
            session = self._new_session(session_id, name) if alone else self._session(session_id, name)
            session.runs += 1
            process = self._new_process() if alone else self._process
            view = View(Scope.RUN, name, prices=self.prices)
            rules = len(self._slots[Scope.RUN])
            run = Run(
                next(self._ids),
                view,
                session,
                process,
                start_ns,
                rules,
                self.limits.run_operations,
                shares_view=alone or session_id is None,
            )
            self._runs[run.id] = run
            if len(self._runs) > self.limits.live_runs:
                _, oldest = self._runs.popitem(last=False)
                oldest.evicted = True
                oldest.rule_states = []
                oldest.columns.clear()
                self.evictions["live_runs"] += 1
            return run

    def _new_session(self, session_id: str | None, run_name: str) -> Session:
        view = View(Scope.SESSION, session_id or run_name, prices=self.prices)
        return Session(session_id or "", view, len(self._slots[Scope.SESSION]))

    def _session(self, session_id: str | None, run_name: str) -> Session:
        if session_id is None:
            return self._new_session(None, run_name)
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = self._new_session(session_id, run_name)
            if len(self._sessions) > self.limits.sessions:
                self._sessions.popitem(last=False)
                self.evictions["sessions"] += 1
        else:
            self._sessions.move_to_end(session_id)
        return session

    def session_ids(self) -> list[str]:
        """The sessions that are remembered, the least recently used first."""
        with self._lock:
            return list(self._sessions)

    def session(self, session_id: str) -> SessionSummary | None:
        """What a session amounts to so far; `None` where it is not known, or no longer.

        Asking does not keep it from being evicted.
        """
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None:
                return None
            ledger = session.ledger
            open_runs = sum(1 for run in self._runs.values() if run.session is session)
            said: list[Suggestion] = []
            for rule, place, _ in self._slots[Scope.SESSION]:
                state = session.rule_states[place]
                if state is not None:
                    try:
                        said.extend(rule.judge(state, session.view))
                    except Exception as error:  # noqa: BLE001 - one bad rule must not silence the others
                        self._report(rule, error)
            return session_summary(session_id, ledger.breakdown, ledger.heads, said, open_runs=open_runs)

    def observe(self, run: Run, operation: Operation) -> list[Suggestion]:
        """Take in one finished operation of a run that goes on.

        Returns:
            The suggestions that are news: new, risen in level, or doubled in evidence.
        """
        with self._lock:
            if not operation.counted:
                return []
            count(run, operation)
            return self._judge(run, operation)

    def _judge(self, run: Run, operation: Operation) -> list[Suggestion]:
        if run.evicted or not operation.counted:
            return []
        news: list[Suggestion] = []
        for kind, watching in self._watching[operation.kind]:
            scope = run if kind is Scope.RUN else run.session if kind is Scope.SESSION else run.process
            states, view = scope.rule_states, scope.view
            for observe, place, rule in watching:
                try:
                    state = states[place]
                    if state is None:
                        state = states[place] = rule.start()
                    said = observe(state, operation, view)
                    if said:
                        for suggestion in said:
                            self._keep(run, scope, suggestion, news)
                except Exception as error:  # noqa: BLE001 - one bad rule must not silence the others
                    self._report(rule, error)
        return news

    def _keep(self, run: Run, scope: ScopeState, suggestion: Suggestion, news: list[Suggestion]) -> None:
        run.suggestions[suggestion.key] = suggestion
        if scope.is_news(suggestion):
            news.append(suggestion)

    def _report(self, rule: AnyRule, error: Exception) -> None:
        if self._on_error is not None:
            self._on_error(f"rule.{rule.code}", error)

    def finish(self, run: Run, root: Operation) -> tuple[RunSummary, list[Suggestion]]:
        """End a run with its root.

        Returns:
            What it amounts to, and the suggestions that are news.
        """
        with self._lock:
            run.finished = True
            self._runs.pop(run.id, None)
            root_is_work = root.kind in BILLED_BY_TOKEN or root.kind in (OperationKind.TOOL, OperationKind.SERVICE)
            if root.counted and (root_is_work or root.is_agent):
                count(run, root, is_root=True)
            else:
                run.columns.add(root, is_root=True)
            news = self._judge(run, root)
            if not run.evicted:
                self._conclude(run, root, news)
            summary = self._summary(run, root, self._restated(run))
            if run.session.id and run.process is self._process:
                run.session.ledger.add(summary, root.trace_id, self._shared)
            return summary, news

    def _restated(self, run: Run) -> tuple[Suggestion, ...]:
        # A session that goes on will have more to say; its last word is asked for, not sent each time.
        scopes = (run,) if run.session.id else (run, run.session)
        return tuple(s for s in run.suggestions.values() if any(scope.restates(s) for scope in scopes))

    def states(self, run: Run) -> Mapping[str, Any]:
        """The states of the rules over the session and the process of a run that was begun alone, by code."""
        return {
            slot.rule.code: state
            for slot in self._concluding
            if slot.scope is not Scope.RUN
            and (state := (run.session if slot.scope is Scope.SESSION else run.process).rule_states[slot.place])
            is not None
        }

    def forget(self, run: Run) -> None:
        """Let go of a run that will never be finished."""
        with self._lock:
            run.finished = True
            self._runs.pop(run.id, None)

    def _conclude(self, run: Run, root: Operation, news: list[Suggestion]) -> None:
        for slot in self._concluding:
            rule, place, kind = slot
            scope = run if kind is Scope.RUN else run.session if kind is Scope.SESSION else run.process
            try:
                state = scope.rule_states[place]
                if state is None:
                    if rule.watches:
                        continue
                    state = scope.rule_states[place] = rule.start()
                said = tuple(rule.conclude(state, root, scope.view))
                if kind is not Scope.RUN and run.suggestions and type(rule).judge is not _NO_JUDGE:
                    _withdraw(run, rule.code, said)
                for suggestion in said:
                    # What a session said before this run, and still says, is not of this run.
                    if suggestion.key in run.suggestions or not scope.has_said(suggestion):
                        self._keep(run, scope, suggestion, news)
            except Exception as error:  # noqa: BLE001 - one bad rule must not silence the others
                self._report(rule, error)

    def _summary(self, run: Run, root: Operation, restated: tuple[Suggestion, ...]) -> RunSummary:
        suggestions = tuple(sorted(run.suggestions.values(), key=lambda s: (-s.impact_score, s.key)))
        totals = run.view.totals
        rows = tuple(run.columns.rows())
        spans = frozenset(row.span_id for row in rows) if suggestions else frozenset[int]()

        def of_this_run(chosen: Iterable[Suggestion]) -> Saved:
            return saved(chosen, cost_usd=totals.cost_usd, start_ns=root.start_ns, end_ns=root.end_ns, spans=spans)

        measured = [s for s in suggestions if s.savings is not None and s.savings.basis is SavingBasis.MEASURED]
        return RunSummary(
            name=run.name,
            session_id=run.session.id or None,
            start_ns=root.start_ns,
            end_ns=root.end_ns,
            totals=totals,
            critical_path=critical_path(rows),
            efficiency_score=efficiency_score(totals, root.duration_ns, of_this_run(measured)),
            rating=rating(totals),
            success=run.success if run.success is not None else root.error_type is None,
            score=run.score,
            suggestions=suggestions,
            restated=restated,
            savings=of_this_run(suggestions),
            rows=rows,
        )


def _withdraw(run: Run, code: str, said: Iterable[Suggestion]) -> None:
    """Take back what a rule said while the run went on and does not say in the end."""
    stands = {suggestion.key for suggestion in said}
    for key in [key for key in run.suggestions if key[0] == code and key not in stands]:
        del run.suggestions[key]
