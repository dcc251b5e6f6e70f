"""The engine: operations in, in the order in which they end; suggestions and run totals out.

Pure: no clock, no I/O, no telemetry. One engine serves many runs from many threads under one
re-entrant lock (a generator that the garbage collector closes may end a span in the middle
of any call). It drives rules of three scopes and makes, bounds and evicts their states. A
rule that raises is reported to `on_error` and left out of that call; everything else goes on.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import count as counter
from typing import Any, NamedTuple

from msgspec.structs import replace

from otel_agentperf.analysis.columns import cost_of
from otel_agentperf.analysis.figures import DEFAULT_THRESHOLD
from otel_agentperf.analysis.ledger import SessionSummary, session_summary
from otel_agentperf.analysis.overlaps import without_overlaps
from otel_agentperf.analysis.runs import Run, ScopeState, Session, add_use, count
from otel_agentperf.analysis.savings import NOTHING_SAVED, Saved, measured_among, saved
from otel_agentperf.analysis.scores import critical_path, efficiency_score, rating
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.baselines.normals import Normals
from otel_agentperf.model import BILLED_BY_TOKEN, Extent, Operation, OperationKind, Suggestion, Totals
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.rules.base import Group, Rule, Scope, View
from otel_agentperf.rules.traits import traits_of

AnyRule = Rule[Any]
_RUN, _SESSION = Scope.RUN, Scope.SESSION
_WORKFLOW = OperationKind.WORKFLOW
_WORK = BILLED_BY_TOKEN | {OperationKind.TOOL, OperationKind.SERVICE}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what the engine remembers."""

    live_runs: int = 10_000
    sessions: int = 2_000
    run_operations: int = 10_000


class _Slot(NamedTuple):
    """A rule, where its state stands in the list of its scope, and what it does at the end of a run."""

    rule: AnyRule
    place: int
    scope: Scope
    concludes: bool
    """It has a way of its own to conclude; others are judged."""
    judges: bool
    """It says what stands in the end, so that what it said before and does not say then is taken back."""


_Observe = Callable[[Any, Operation, View], Iterable[Suggestion]]
_Watching = tuple[tuple[_Observe, int, AnyRule, bool], ...]
"""Rules of one scope, each with its bound `observe` and whether it is left asleep where it has no state."""


def _slots(rules: Iterable[AnyRule]) -> dict[Scope, list[_Slot]]:
    slots: dict[Scope, list[_Slot]] = {scope: [] for scope in Scope}
    for rule in rules:
        made = type(rule)
        concludes, judges = made.conclude is not AnyRule.conclude, made.judge is not AnyRule.judge
        own = slots[rule.scope]
        own.append(_Slot(rule, len(own), rule.scope, concludes, judges and rule.scope is not _RUN))
    return slots


def _watching(kind: OperationKind, traits: int, slots: Iterable[_Slot]) -> _Watching:
    """The rules to be asked of an operation of this kind with these traits."""
    return tuple(
        (slot.rule.observe, slot.place, slot.rule, asleep)
        for slot in slots
        if kind in slot.rule.watches
        and (not (asleep := bool(slot.rule.needs and not traits & slot.rule.needs)) or slot.rule.stays_awake)
    )


class Engine:
    """Runs rules over operations.

    Args:
        rules: what to run, in order.
        limits: how much to remember.
        on_error: told of a rule that raised, with a site name and the error.
        prices: what rules ask for the price of the same tokens elsewhere.
        normals: what was learned of days before.
        threshold: the least impact, 0 to 1, that a suggestion of a session is shown with in full.
    """

    def __init__(
        self,
        rules: Iterable[AnyRule],
        limits: Limits | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
        prices: PriceBook | None = None,
        normals: Normals | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        self.prices = prices
        self.threshold = threshold
        self._normals = normals
        self.rules = tuple(rules)
        self.limits = limits if limits is not None else Limits()
        self.evictions: Counter[str] = Counter()
        self._on_error = on_error
        self._lock = threading.RLock()
        self._ids = counter(1)
        self._runs: OrderedDict[int, Run] = OrderedDict()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._slots = _slots(self.rules)
        self._choose()
        self._shared = frozenset(rule.code for rule in self.rules if rule.scope is not Scope.RUN)
        self.repetition_rules = frozenset(
            rule.code for rule in self.rules if rule.group is Group.REPETITION and rule.scope is Scope.RUN
        )
        self._process = self._new_process()

    @property
    def normals(self) -> Normals | None:
        """What was learned of days before, for the process, and for runs and sessions that begin."""
        return self._normals

    def _choose(self) -> None:
        """Find anew which rules to ask: those that rest on a baseline are left alone where there is none."""
        self._watching: dict[OperationKind, dict[int, tuple[_Watching, ...]]] = {kind: {} for kind in OperationKind}
        self._asked = {scope: [slot for slot in self._slots[scope] if self._can_judge(slot.rule)] for scope in Scope}
        self._concluding = tuple(
            slot for scope in Scope for slot in self._asked[scope] if slot.concludes or slot.judges
        )

    def _can_judge(self, rule: AnyRule) -> bool:
        return not rule.is_off and (self._normals is not None or not rule.asks_normals)

    def _new_process(self) -> ScopeState:
        view = View(Scope.PROCESS, "process", prices=self.prices, normals=self.normals)
        return ScopeState(view, len(self._slots[Scope.PROCESS]))

    def renew(self) -> None:
        """Begin anew, in a child process: a thread that it does not have may hold the lock.

        Runs that were open are the parent's, and not live here; one that goes on here is counted all the same.
        What was seen of the process and dropped is the parent's too. Sessions may go on here, and are kept.
        """
        self._lock = threading.RLock()
        self._runs = OrderedDict()
        self.evictions.clear()
        self._process.renew(self._new_process())  # the same object: a run that goes on here has it

    def tell(self, normals: Normals | None) -> None:
        """Judge by this from now on: the process, and runs and sessions that begin.

        Args:
            normals: what was learned of days before; `None` where nothing was.
        """
        self._normals = self._process.view.normals = normals
        self._choose()

    @property
    def live_runs(self) -> int:
        """Runs that have begun and not finished."""
        return len(self._runs)

    def open_sessions(self) -> set[str | int]:
        """The sessions of these runs: their ids, and the numbers of runs that are sessions of their own."""
        with self._lock:
            return {run.session.id or run.id for run in self._runs.values()}

    def begin(self, name: str, session_id: str | None, start_ns: int, *, alone: bool = False) -> Run:
        """Begin a run.

        Args:
            name: the name of its root.
            session_id: the conversation id it belongs to, if one is known.
            start_ns: when it began, Unix nanoseconds.
            alone: gives the run a session and a process of its own, to be merged by `fold` later.
        """
        with self._lock:
            view = View(_RUN, name, Totals(), {}, self.prices, normals=self.normals)
            is_single = alone or session_id is None
            session = self._single(session_id, view) if is_single else self._session(session_id or "")
            session.runs += 1
            run = Run(
                next(self._ids),
                view,
                session,
                self._new_process() if alone else self._process,
                start_ns,
                len(self._slots[_RUN]),
                self.limits.run_operations,
                shares_view=is_single,
            )
            self._runs[run.id] = run
            if len(self._runs) > self.limits.live_runs:
                _, oldest = self._runs.popitem(last=False)
                oldest.evicted = True
                oldest.rule_states = []
                oldest.columns.clear()
                self.evictions["live_runs"] += 1
            return run

    def set_aside(self, run: Run) -> None:
        """Count what a run holds without taking it for a run: an agent or graph has begun beneath its plain root.

        Rules that judge the shape of a whole run are not asked of it, since what ran in the agents is not in it.
        """
        with self._lock:
            if not run.aside:
                run.aside = True
                run.session.runs -= 1
                self._runs.pop(run.id, None)

    def _single(self, session_id: str | None, run: View) -> Session:
        """A session that has no other run: its sums are those of the run."""
        view = View(_SESSION, session_id or run.name, run.totals, run.contributors, self.prices, normals=self.normals)
        view.is_single = session_id is None
        return Session(session_id or "", view, len(self._slots[_SESSION]))

    def _session(self, session_id: str) -> Session:
        session = self._sessions.get(session_id)
        if session is None:
            view = View(_SESSION, session_id, prices=self.prices, normals=self.normals)
            session = self._sessions[session_id] = Session(session_id, view, len(self._slots[_SESSION]))
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
            for rule, place, *_ in self._slots[_SESSION]:
                state = session.rule_states[place]
                if state is not None:
                    try:
                        said.extend(replace(each, extent=Extent.SESSION) for each in rule.judge(state, session.view))
                    except Exception as error:  # noqa: BLE001 - one bad rule must not silence the others
                        self._report(rule, error)
            return session_summary(
                session_id, ledger.breakdown, ledger.heads, said, open_runs=open_runs, threshold=self.threshold
            )

    def observe(self, run: Run, operation: Operation) -> list[Suggestion]:
        """Take in one finished operation of a run that goes on.

        Returns:
            The suggestions that are news: new, risen in level, or doubled in evidence.
        """
        with self._lock:
            if not operation.counted:
                return []
            traits = traits_of(operation)
            count(run, operation, traits)
            return self._judge(run, operation, traits)

    def _judge(self, run: Run, operation: Operation, traits: int) -> list[Suggestion]:
        news: list[Suggestion] = []
        if run.evicted:
            return news
        known = self._watching[operation.kind]
        of_run, of_session, of_process = known.get(traits) or self._ask(known, operation.kind, traits)
        for scope, watching in ((run, of_run), (run.session, of_session), (run.process, of_process)):
            if not watching:
                continue
            states, view = scope.rule_states, scope.view
            for observe, place, rule, asleep in watching:
                try:
                    state = states[place]
                    if state is None:
                        if asleep:
                            continue
                        state = states[place] = rule.start()
                    if said := observe(state, operation, view):
                        for suggestion in said:
                            self._keep(run, scope, suggestion, news)
                except Exception as error:  # noqa: BLE001 - one bad rule must not silence the others
                    self._report(rule, error)
        return news

    def _ask(self, known: dict[int, tuple[_Watching, ...]], kind: OperationKind, traits: int) -> tuple[_Watching, ...]:
        """Which rules to ask of operations of this kind with these traits, found once for all of them."""
        found = known[traits] = tuple(_watching(kind, traits, self._asked[scope]) for scope in Scope)
        return found

    def _keep(self, run: Run, scope: ScopeState, suggestion: Suggestion, news: list[Suggestion]) -> None:
        if scope is not run:
            suggestion = replace(suggestion, extent=self._extent(run, scope))
        run.suggestions[suggestion.key] = suggestion
        if scope.is_news(suggestion):
            news.append(suggestion)

    def _extent(self, run: Run, scope: ScopeState) -> Extent:
        """What a suggestion over a session or the process is about: the run alone, where there is no other one."""
        if run.process is not self._process or (scope is run.session and not run.session.id):
            return Extent.RUN
        return Extent.SESSION if scope is run.session else Extent.PROCESS

    def _report(self, rule: AnyRule, error: Exception) -> None:
        if self._on_error is not None:
            self._on_error(f"rule.{rule.code}", error)

    def repetition_so_far(
        self, run: Run, root: Operation, reported: Collection[tuple[str, str]] = ()
    ) -> list[Suggestion]:
        """What the rules of repetition would say of a run that goes on, if it ended now: one suggestion of each loop.

        Nothing of it is remembered. It takes as long as judging the end of the run.

        Args:
            run: it.
            root: its root, as if it had ended.
            reported: the keys of what was reported of it already, and is to stay.
        """
        with self._lock:
            if run.finished or run.evicted or run.aside:
                return []
            found = {key: each for key, each in run.suggestions.items() if each.rule in self.repetition_rules}
            for rule, _, scope, concludes, _ in self._concluding:
                if scope is _RUN and concludes and rule.code in self.repetition_rules and not rule.watches:
                    try:
                        found.update((each.key, each) for each in rule.conclude(rule.start(), root, run.view))
                    except Exception as error:  # noqa: BLE001 - one bad rule must not silence the others
                        self._report(rule, error)
            return without_overlaps(found.values(), run.columns.ended(), reported)

    def finish(self, run: Run, root: Operation) -> tuple[RunSummary, list[Suggestion]]:
        """End a run with its root.

        Returns:
            What it amounts to, and the suggestions that are news.
        """
        with self._lock:
            run.finished = True
            self._runs.pop(run.id, None)
            news: list[Suggestion] = []
            if root.counted:
                traits = traits_of(root)
                if root.is_agent or root.kind in _WORK or root.usage is not None or root.cost is not None:
                    count(run, root, traits, is_root=True)
                else:
                    run.columns.add(root, traits, cost_of(root), is_root=True)
                    if root.kind is _WORKFLOW and root.error_type is not None and not root.error_beneath:
                        for totals in run.sums:  # a graph is no operation among others, but its own failure is one
                            totals.errors += 1
                if root.resources is not None:
                    add_use(run, root, is_root=True)
                news = self._judge(run, root, traits)
            else:  # the shape needs its place and times, and nothing of what another span tells
                run.columns.add(_bare(root), 0, is_root=True)
            if not run.evicted:
                self._conclude(run, root, news)
            summary = self._summary(run, root)
            if run.session.id and run.process is self._process:
                run.session.ledger.add(summary, root.trace_id, self._shared)
            return summary, news

    def states(self, run: Run) -> Mapping[str, Any]:
        """The states of the rules over the session and the process of a run that was begun alone, by code."""
        return {
            slot.rule.code: state
            for slot in self._concluding
            if slot.scope is not Scope.RUN
            and (state := (run.session if slot.scope is Scope.SESSION else run.process).rule_states[slot.place])
            is not None
        }

    def process_state(self, code: str) -> Any:
        """The state of a rule over the process, by its code; `None` where it has none. Read it under no other lock."""
        place = next((slot.place for slot in self._slots[Scope.PROCESS] if slot.rule.code == code), None)
        return None if place is None else self._process.rule_states[place]

    def forget(self, run: Run) -> None:
        """Let go of a run that will never be finished."""
        with self._lock:
            run.finished = True
            self._runs.pop(run.id, None)

    def _conclude(self, run: Run, root: Operation, news: list[Suggestion]) -> None:
        session, process = run.session, run.process
        reported = set(run.announced)
        # A run that the garbage collector closes may end in the middle of this.
        before = session.view.columns, process.view.columns
        session.view.columns = process.view.columns = run.columns
        # What was set aside has no shape that could be judged: the agents that ran meanwhile are not in it.
        concluding = [slot for slot in self._concluding if slot.rule.watches] if run.aside else self._concluding
        for rule, place, kind, concludes, judges in concluding:
            scope = run if kind is _RUN else session if kind is _SESSION else process
            try:
                state = scope.rule_states[place]
                if state is None:
                    if rule.watches:
                        continue
                    state = scope.rule_states[place] = rule.start()
                said = rule.conclude(state, root, scope.view) if concludes else rule.judge(state, scope.view)
                if not said and not (judges and run.suggestions):
                    continue
                said = tuple(said)
                if judges and run.suggestions:
                    _withdraw(run, rule.code, said)
                for suggestion in said:
                    # What a session said before this run, and still says, is not of this run.
                    if suggestion.key in run.suggestions or not scope.has_said(suggestion):
                        self._keep(run, scope, suggestion, news)
            except Exception as error:  # noqa: BLE001 - one bad rule must not silence the others
                self._report(rule, error)
        session.view.columns, process.view.columns = before
        if len(run.suggestions) > 1:
            self._join_loops(run, reported, news)

    def _join_loops(self, run: Run, reported: Collection[tuple[str, str]], news: list[Suggestion]) -> None:
        """Keep one suggestion of each loop of a finished run."""
        repetition = [each for each in run.suggestions.values() if each.rule in self.repetition_rules]
        if len(repetition) < 2:  # noqa: PLR2004 - one is about nothing that another is about
            return
        kept = {each.key for each in without_overlaps(repetition, run.columns.ended(), reported)}
        left_out = {each.key for each in repetition} - kept
        for key in left_out:
            del run.suggestions[key]
        news[:] = [each for each in news if each.key not in left_out]

    def _summary(self, run: Run, root: Operation) -> RunSummary:
        totals, columns = run.view.totals, run.columns
        could = wasted = NOTHING_SAVED
        suggestions: tuple[Suggestion, ...] = ()
        if run.suggestions:
            suggestions = tuple(sorted(run.suggestions.values(), key=_rank))
            spans = frozenset(row.span_id for row in columns.ended())

            def of_this_run(chosen: Iterable[Suggestion]) -> Saved:
                return saved(chosen, cost_usd=totals.cost_usd, start_ns=root.start_ns, end_ns=root.end_ns, spans=spans)

            could, wasted = of_this_run(suggestions), of_this_run(measured_among(suggestions))
        return RunSummary(
            name=run.name,
            session_id=run.session.id or None,
            start_ns=root.start_ns,
            end_ns=root.end_ns,
            totals=totals,
            critical_path=critical_path(columns.agents()),
            efficiency_score=efficiency_score(totals, root.duration_ns, wasted),
            rating=rating(totals),
            success=run.success if run.success is not None else root.error_type is None,
            score=run.score,
            suggestions=suggestions,
            is_run=not run.aside,
            savings=could,
            columns=columns,
            used=run.used,
        )


def _bare(operation: Operation) -> Operation:
    """Where and when an operation was, without what it did."""
    return replace(operation, usage=None, cost=None, inference=None, tool=None, node=None, is_agent=False)


def _rank(suggestion: Suggestion) -> tuple[bool, float, tuple[str, str]]:
    return suggestion.rank


def _withdraw(run: Run, code: str, said: Iterable[Suggestion]) -> None:
    """Take back what a rule said while the run went on and does not say in the end."""
    stands = {suggestion.key for suggestion in said}
    for key in [key for key in run.suggestions if key[0] == code and key not in stands]:
        del run.suggestions[key]
