"""Sees what came of advice: keeps what was given until its step and its run have ended, then judges it.

Bounded: of a run the last `MAX_GIVEN` pieces of advice, of the process the last `MAX_RUNS` runs in which any
was given; what falls out counts as unseen. At most `MAX_GIVEN` of those asked for in open spans of a run wait to
be shown there; more are not shown. A process in which nobody asks for advice has nothing here,
and each operation costs it one look at an empty dictionary.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping

from otel_agentperf.advice import judging
from otel_agentperf.advice.calibration import Calibration, Outcome
from otel_agentperf.advice.judging import Step, Usual
from otel_agentperf.advice.results import Advice, Kind, Part
from otel_agentperf.live.advising.recent import node_of
from otel_agentperf.live.frames import Frame
from otel_agentperf.model import Operation, OperationKind

MAX_RUNS = 1_000
MAX_GIVEN = 64
# Members of an enum are dear to look up in Python 3.11.
_INFERENCE, _NODE = OperationKind.INFERENCE, OperationKind.NODE
_MODEL, _TIMEOUT, _PARALLEL, _CACHE, _RESOURCES, _FORECAST = Kind
_UNSEEN, _ABSTAINED = Outcome.UNSEEN, Outcome.ABSTAINED


class Given:
    """One advice, and what was seen of its step since."""

    __slots__ = (
        "action",
        "advice",
        "asked",
        "at_ns",
        "cached_tokens",
        "frame",
        "models",
        "node",
        "requests",
        "requests_ns",
        "requests_usd",
        "usual",
    )

    def __init__(
        self,
        advice: Advice,
        action: str,
        node: str,
        frame: Frame | None,
        at_ns: int,
        usual: Usual,
        asked: Frame | None = None,
    ) -> None:
        self.advice = advice
        self.action = action
        self.node = node
        """The node that it was for; empty where it was for the run alone."""
        self.frame = frame
        """The frame of the node, where that had begun already."""
        self.at_ns = at_ns
        self.usual = usual
        self.models: set[str] = set()
        self.cached_tokens = 0
        self.requests = 0
        self.requests_ns = 0
        self.requests_usd: float | None = 0.0
        self.asked = asked
        """The frame in which it was asked for, whose span shows it."""


class _RunGiven:
    __slots__ = ("forecasts", "steps", "unshown")

    def __init__(self) -> None:
        self.unshown: deque[Given] = deque()
        """Those whose event is not yet on a span: writing it takes a third of the time of an advice."""
        self.steps: deque[Given] = deque()
        """Those whose step has not ended."""
        self.forecasts: deque[tuple[Part[object], int, float]] = deque()
        """With when they were made, and what the run had cost by then."""


class Followed:
    """What was advised in this process, and what came of it.

    Args:
        show: writes an advice onto the span of the frame that asked for it.
    """

    def __init__(self, show: Callable[[Given], None]) -> None:
        self._show = show
        self.calibration = Calibration()
        """All that is known of earlier advice, here and before."""
        self._fresh = Calibration()
        self._lock = threading.RLock()
        self.waiting: OrderedDict[int, _RunGiven] = OrderedDict()
        """By the run's number; empty where nobody asks for advice."""
        self.counts: Counter[tuple[Kind, Outcome]] = Counter()
        """By kind and outcome, of this process alone."""

    def renew(self) -> None:
        """Begin anew, in a child process: what was given is the parent's."""
        self._lock = threading.RLock()
        self.waiting.clear()  # the same object: the pipeline looks at it
        self.counts = Counter()
        self._fresh = Calibration()

    def note(self, kind: Kind, part: Part[object], outcome: Outcome) -> None:
        """Count what came of a part."""
        self.calibration.note(kind, part.source, outcome)
        self._fresh.note(kind, part.source, outcome)
        self.counts[kind, outcome] += 1

    def give(self, given: Given, run_id: int | None, run_usd: float) -> None:
        """Remember an advice.

        Args:
            given: it.
            run_id: the run that it was given in, if any.
            run_usd: what that had cost by then.
        """
        advice, counts = given.advice, self.counts
        with self._lock:
            if run_id is None:
                for kind, part in advice.parts.items():
                    counts[kind, _ABSTAINED if part.value is None else _UNSEEN] += 1
                return
            # What comes of these is not seen.
            counts[_PARALLEL, _ABSTAINED if advice.parallel.value is None else _UNSEEN] += 1
            counts[_RESOURCES, _ABSTAINED if advice.resources.value is None else _UNSEEN] += 1
            kept = self.waiting.get(run_id)
            if kept is None:
                kept = self.waiting[run_id] = _RunGiven()
                if len(self.waiting) > MAX_RUNS:
                    self._let_go(self.waiting.popitem(last=False)[1])
            if len(kept.unshown) < MAX_GIVEN:
                kept.unshown.append(given)
            if given.node:
                kept.steps.append(given)
                if len(kept.steps) > MAX_GIVEN:
                    self._unseen(kept.steps.popleft())
            else:
                self._unseen(given)
            if advice.forecast.value is None:
                counts[_FORECAST, _ABSTAINED] += 1
            else:
                kept.forecasts.append((advice.forecast, given.at_ns, run_usd))
                if len(kept.forecasts) > MAX_GIVEN:
                    kept.forecasts.popleft()
                    counts[_FORECAST, _UNSEEN] += 1

    def forget(self, run_id: int) -> None:
        """Let go of a run that will never end."""
        with self._lock:
            kept = self.waiting.pop(run_id, None)
            if kept is not None:
                self._let_go(kept)

    def _let_go(self, kept: _RunGiven) -> None:
        for given in kept.unshown:
            self._show(given)
        for given in kept.steps:
            self._unseen(given)
        self.counts[_FORECAST, _UNSEEN] += len(kept.forecasts)

    def _unseen(self, given: Given) -> None:
        advice, counts = given.advice, self.counts
        counts[_MODEL, _ABSTAINED if advice.model.value is None else _UNSEEN] += 1
        counts[_TIMEOUT, _ABSTAINED if advice.timeout_s.value is None else _UNSEEN] += 1
        counts[_CACHE, _ABSTAINED if advice.cache.value is None else _UNSEEN] += 1

    # -- what ends -------------------------------------------------------------------------

    def ended(self, frame: Frame, operation: Operation) -> list[dict[Kind, Outcome]]:
        """Take in an operation that ended in a run with advice.

        Args:
            frame: its frame.
            operation: it.

        Returns:
            What came of each advice whose step this was.
        """
        run = frame.run
        if run is None:
            return []
        with self._lock:
            kept = self.waiting.get(run.id)
            if kept is None:
                return []
            judged: list[dict[Kind, Outcome]] = []
            self._show_those_of(kept, frame)
            if frame.kind is _INFERENCE:
                self._asked(kept, frame, operation)
            elif frame.kind is _NODE and kept.steps:
                judged = self._step_ended(kept, frame, operation)
            if frame.owns_run:
                del self.waiting[run.id]
                self._run_ended(kept, frame, operation)
            return judged

    def _show_those_of(self, kept: _RunGiven, frame: Frame) -> None:
        """Write what was asked for in a frame that ends, in the run's last one all that is left, onto spans."""
        if not kept.unshown:
            return
        left: deque[Given] = deque()
        for given in kept.unshown:
            if given.asked is frame or frame.owns_run:
                self._show(given)
            else:
                left.append(given)
        kept.unshown = left

    def _asked(self, kept: _RunGiven, frame: Frame, operation: Operation) -> None:
        node = node_of(frame)
        inference = operation.inference
        if node is None or inference is None:
            return
        for given in kept.steps:
            if given.frame is node or (given.frame is None and given.node == node.name):
                given.frame = node
                given.models.add(inference.request_model)
                given.requests += 1
                given.requests_ns += operation.duration_ns
                cost_usd = operation.cost.total_usd if operation.cost is not None else None
                before_usd = given.requests_usd
                given.requests_usd = None if cost_usd is None or before_usd is None else before_usd + float(cost_usd)
                if operation.usage is not None:
                    given.cached_tokens += operation.usage.cache_read_tokens

    def _step_ended(self, kept: _RunGiven, frame: Frame, operation: Operation) -> list[dict[Kind, Outcome]]:
        own = [
            given for given in kept.steps if given.frame is frame or (given.frame is None and given.node == frame.name)
        ]
        if not own:
            return []
        kept.steps = deque(given for given in kept.steps if given not in own)
        return [self._judge(given, operation) for given in own]

    def _judge(self, given: Given, operation: Operation) -> dict[Kind, Outcome]:
        advice = given.advice
        step = Step(
            given.models,
            operation.duration_ns / 1e9,
            given.requests_ns / 1e9 / given.requests if given.requests else None,
            given.requests_usd / given.requests if given.requests and given.requests_usd is not None else None,
            given.cached_tokens,
            failed=operation.error_type is not None,
            whole=operation.outcome is None,
        )
        came: dict[Kind, Outcome] = {
            Kind.MODEL: judging.model(advice.model, step, given.usual),
            Kind.TIMEOUT: judging.timeout(advice.timeout_s, step),
            Kind.CACHE: judging.cache(advice.cache, step),
        }
        parts = advice.parts
        for kind, outcome in came.items():
            self.note(kind, parts[kind], outcome)
        claimed = advice.model.improvement
        if claimed is not None and came[_MODEL] in {Outcome.RIGHT, Outcome.WRONG}:
            saved = judging.realised(advice.model, step)
            for kept in (self.calibration, self._fresh):
                kept.compare(_MODEL, advice.model.source, claimed, saved)
        return came

    def _run_ended(self, kept: _RunGiven, frame: Frame, operation: Operation) -> None:
        for given in kept.steps:
            self._unseen(given)
        totals = frame.run.view.totals if frame.run is not None else None
        cost_usd = None if totals is None or totals.unpriced_calls else float(totals.cost_usd)
        whole = operation.error_type is None and operation.outcome is None
        for part, at_ns, before_usd in kept.forecasts:
            outcomes = judging.forecast(
                part,  # pyright: ignore[reportArgumentType] - forecasts are all that is kept there
                (operation.end_ns - at_ns) / 1e9,
                None if cost_usd is None else cost_usd - before_usd,
                whole=whole,
            )
            for outcome in outcomes:
                self.note(_FORECAST, part, outcome)

    def exported(self) -> dict[str, dict[str, float]]:
        """All counts in plain types, to be shown."""
        with self._lock:
            return self.calibration.to_dict()

    def drain(self) -> Mapping[str, Mapping[str, float]]:
        """What was counted here since this was last called, in plain types, for a store to add to what it has."""
        with self._lock:
            fresh, self._fresh = self._fresh, Calibration()
            return fresh.to_dict()

    def take_in(self, told: Mapping[str, Mapping[str, float]]) -> None:
        """Add counts of other processes, or of earlier ones, as a store gives them."""
        earlier = Calibration.from_dict(told)
        with self._lock:
            self.calibration.merge(earlier)
