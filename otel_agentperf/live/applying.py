"""Advice that is applied to the requests of this process, at the nodes that the user names.

For each run that comes to such a node the lot decides once, for all its requests of one model
there, whether they go to the model that is tried, and whether they get the time-out that is
advised. When the run ends, what became of it goes to the trial (`advice.trial`), which grows, goes
on or is taken back. The runs that went on as the program asks are what it is held against.

A request counts as gone well if it raised no error and its answer is neither blocked, empty nor
cut off at the token limit; a run, if all such requests of the node went well and it did not fail,
or as `otel_agentperf.outcome` or an evaluation said. In a forked child the trials go on from where
its parent had them.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from otel_agentperf import guard
from otel_agentperf.advice.applying import (
    SEEN_SAMPLES,
    Advised,
    NodeRule,
    choose_model,
    parse_apply,
)
from otel_agentperf.advice.trial import Grown, TakenBack, Trial, Unit, lot
from otel_agentperf.live.frames import AGENTIC, Frame
from otel_agentperf.live.lots import (
    ABSTAINED,
    CONTROL,
    MODEL,
    TIMEOUT,
    TREATED,
    CallAdvisor,
    Decided,
    Drawn,
    Happened,
    Key,
    Use,
    WhyNot,
)
from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.rules.finish import TOKEN_LIMIT

if TYPE_CHECKING:
    from otel_agentperf.analysis.runs import Run

_logger = logging.getLogger("otel_agentperf")
LEAST_TIMEOUT_S = 10.0
"""The SDK tells Gemini of a time-out, and Gemini refuses one below ten seconds."""
MAX_TRIALS = 1_000
_NODE = OperationKind.NODE
_VOID = frozenset({"blocked", "empty"})


class _Place(NamedTuple):
    graph: str
    node: str
    rule: NodeRule


class Applying:
    """The trials of this process.

    Args:
        table: the `[apply]` table of the settings file.
        prices: tells which model costs less.
        advisor: who is asked.
        max_runs: whose lots are remembered at once.
        clock: tells the time, in seconds.

    Raises:
        SettingsError: the table has a key, name or value that is not allowed.
    """

    def __init__(
        self,
        table: Mapping[str, object],
        prices: PriceBook,
        advisor: CallAdvisor,
        max_runs: int = 10_000,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.rules = parse_apply(table)
        self.advisor = advisor
        self._prices = prices
        self._max_runs = max_runs
        self._clock = clock
        self._lock = threading.RLock()
        self._trials: dict[Key, Trial] = {}
        self._runs: OrderedDict[int, dict[tuple[str, str, str], Use]] = OrderedDict()

    def renew(self) -> None:
        """Begin anew, in a child process: a thread that it does not have may hold the lock, and open runs are its parent's."""
        self._lock = threading.RLock()
        self._runs = OrderedDict()

    def shares(self) -> dict[Key, float]:
        """The share of the runs that each change is tried on now."""
        with self._lock:
            now_s = self._clock()
            return {key: trial.share(now_s) for key, trial in self._trials.items()}

    # -- before a request ------------------------------------------------------------------

    def decide(
        self, frame: Frame, provider: str, asked: str, why_not: WhyNot, *, can_time_out: bool, when_ns: int
    ) -> Decided | None:
        """Decide what is done with a request.

        Args:
            frame: what the request runs in.
            provider: `gcp.gemini` or `gcp.vertex_ai`.
            asked: the model that the program asks for.
            why_not: tells why this request cannot go to another model.
            can_time_out: whether the program has set no time-out of its own.
            when_ns: now, Unix nanoseconds; prices change by date.

        Returns:
            What to do, also where that is nothing; `None` where the user has not named the node.
        """
        place = self._place(frame)
        run = frame.run
        if place is None or run is None:
            return None
        with self._lock:
            uses = self._runs.get(run.id)
            if uses is None:
                uses = self._runs[run.id] = {}
                if len(self._runs) > self._max_runs:
                    self._runs.popitem(last=False)
            use = uses.get((place.graph, place.node, asked))
            if use is None:
                use = self._draw(place, frame, provider, asked, why_not, can_time_out=can_time_out, when_ns=when_ns)
                uses[place.graph, place.node, asked] = use
        timeout = use.timeout
        timeout_s = use.timeout_s if timeout is not None and timeout.treated and can_time_out else None
        model, reason = None, use.why
        if use.model is not None and use.model.treated:
            model = use.model.key.model
            reason = ("refused" if use.refused else why_not(model, use.signed)) or ""
            model = None if reason else model
        drawn = use.model or timeout
        decision = TREATED if model or timeout_s else ABSTAINED if reason or drawn is None else CONTROL
        return Decided(use, place.graph, place.node, model, timeout_s, decision, "" if decision == TREATED else reason)

    def _place(self, frame: Frame) -> _Place | None:
        """The innermost node around a request that the user has named."""
        inner: Frame | None = frame
        while inner is not None:
            if inner.kind is _NODE:
                graph = next((above.name for above in inner.ancestors() if above.kind in AGENTIC), "")
                rule = self.rules.get(f"{graph}/{inner.name}") or self.rules.get(inner.name)
                if rule is not None:
                    return _Place(graph, inner.name, rule)
            inner = inner.parent
        return None

    def _draw(
        self,
        place: _Place,
        frame: Frame,
        provider: str,
        asked: str,
        why_not: WhyNot,
        *,
        can_time_out: bool,
        when_ns: int,
    ) -> Use:
        use = Use()
        graph, node, rule = place
        advised = self._ask(frame, asked, rule.models)
        now_s = self._clock()
        if rule.models:
            model, use.why = self._model(place, advised.model, provider, asked, when_ns)
            use.why = use.why or (why_not(model, None) if model is not None else None) or ""
            if model is not None and not use.why:
                use.model = self._lot(Key(graph, node, asked, MODEL, model), rule, frame, now_s)
                use.why = "resting" if use.model is None else ""
        if rule.timeout and can_time_out and advised.timeout_s is not None:
            use.timeout_s = max(LEAST_TIMEOUT_S, advised.timeout_s)
            use.timeout = self._lot(Key(graph, node, asked, TIMEOUT, ""), rule, frame, now_s)
        return use

    def _ask(self, frame: Frame, asked: str, allowed: tuple[str, ...]) -> Advised:
        try:
            return self.advisor.for_call(frame, asked, allowed)
        except Exception as error:  # noqa: BLE001 - without advice the request goes out as it is
            guard.report("advice.for_call", error)
            return Advised()

    def _model(
        self, place: _Place, advised: str | None, provider: str, asked: str, when_ns: int
    ) -> tuple[str | None, str]:
        graph, node, rule = place
        prices = self._prices
        cheaper = tuple(name for name in rule.models if prices.charges_less(provider, name, asked, when_ns=when_ns))
        if not cheaper:
            return None, "none_cheaper"

        def trial(model: str) -> Trial | None:
            return self._trials.get(Key(graph, node, asked, MODEL, model))

        now_s = self._clock()
        found = choose_model(
            NodeRule(cheaper, explore=rule.explore),
            advised,
            asked,
            begun=lambda model: (begun := trial(model)) is not None and begun.share(now_s) > 0,
            new=lambda model: trial(model) is None and self.advisor.seen(graph, node, model) < SEEN_SAMPLES,
        )
        return found, "" if found is not None else "no_advice"

    def _lot(self, key: Key, rule: NodeRule, frame: Frame, now_s: float) -> Drawn | None:
        trial = self._trials.get(key)
        if trial is None:
            if len(self._trials) >= MAX_TRIALS:
                return None
            trial = self._trials[key] = Trial(rule.share, rule.max_share, saves=key.change == MODEL)
        share = trial.share(now_s)
        if not share:
            return None
        *_, root = (frame, *frame.ancestors())
        drawn = lot(f"{root.trace_id}{root.span_id}", f"{key.graph}/{key.node}", f"{key.change}:{key.model}")
        return Drawn(key, trial, share, drawn < share)

    # -- after it --------------------------------------------------------------------------

    def note(self, use: Use, operation: Operation) -> None:
        """Take in what came of a request."""
        call = operation.inference
        failed = operation.error_type is not None or (
            call is not None and (call.response_kind in _VOID or not TOKEN_LIMIT.isdisjoint(call.finish_reasons))
        )
        cost = operation.cost
        with self._lock:
            use.calls += 1
            use.failed = use.failed or failed
            use.duration_ns += operation.duration_ns
            if cost is not None and use.cost_usd is not None:
                use.cost_usd = None if cost.total_usd is None else use.cost_usd + float(cost.total_usd)

    def sign(self, use: Use, signatures: set[str]) -> None:
        """Remember what the model that is tried has signed, and that it was asked."""
        with self._lock:
            use.signed = (use.signed or frozenset()) | signatures

    def refuse(self, use: Use) -> list[Happened]:
        """Note that a request was refused by the model that is tried: the rest of the run goes on as the program asks."""
        with self._lock:
            use.refused = True
            drawn = use.model
            happened = drawn.trial.refused(self._clock()) if drawn is not None else None
        return [] if drawn is None or happened is None else [_told(drawn.key, happened)]

    def run_ended(self, run: Run, *, success: bool, interrupted: bool) -> list[Happened]:
        """Take in what came of a run.

        Args:
            run: it.
            success: whether it succeeded, as its summary says.
            interrupted: whether it ended early without an error; then only its requests tell.

        Returns:
            What was taken back for it.
        """
        happened: list[Happened] = []
        with self._lock:
            for use in self._runs.pop(run.id, {}).values():
                if not use.calls:
                    continue
                succeeded = not use.failed and (success or interrupted)
                if run.success is not None:
                    succeeded = run.success
                for key, trial, share, treated in use.drawn():
                    unit = Unit(treated, share, succeeded, use.duration_ns / 1e9, use.cost_usd)
                    event = trial.take(unit, self._clock())
                    if isinstance(event, TakenBack):
                        happened.append(_told(key, event))
                    elif isinstance(event, Grown):
                        _logger.info(
                            "otel-agentperf: %s at %s is tried on %.0f %% of the runs now",
                            *_who(key),
                            event.share * 100,
                        )
        return happened

    def forget(self, run: Run) -> None:
        """Drop what was drawn for a run that is not followed to its end."""
        with self._lock:
            self._runs.pop(run.id, None)


def _who(key: Key) -> tuple[str, str]:
    what = f"{key.model} in place of {key.asked}" if key.change == MODEL else f"the time-out for {key.asked}"
    return what, f"{key.graph}/{key.node}"


def _told(key: Key, taken_back: TakenBack) -> Happened:
    what, where = _who(key)
    _logger.warning(
        "otel-agentperf: %s at %s is taken back for %.0f minutes: %s is worse (evidence %.0f, %d runs with it, %d without)",
        what,
        where,
        taken_back.rest_s / 60,
        taken_back.watched.value,
        taken_back.evidence,
        taken_back.treated,
        taken_back.controls,
    )
    return Happened(key, taken_back)
