"""Advice in this process: what is asked is looked up in the running frame, decided, remembered and shown.

Asking takes tens of microseconds: what a baseline says of a node is kept for one to ten seconds, the load
is worked out once a second, and what remains are look-ups and comparisons. No I/O; the one lock is held
for the time of a few appends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from time import monotonic_ns, time_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from otel_agentperf import guard
from otel_agentperf.advice import caching, models, parallel, remaining, timeouts, whole
from otel_agentperf.advice.facts import Pace, Progress, Seen
from otel_agentperf.advice.judging import Usual
from otel_agentperf.advice.results import Advice, CacheUse, Kind, Part
from otel_agentperf.baselines.normals import Normals
from otel_agentperf.live.advising import shown
from otel_agentperf.live.advising.follow import Followed, Given
from otel_agentperf.live.advising.links import StepLinks
from otel_agentperf.live.advising.load import Machine
from otel_agentperf.live.advising.profiles import Profile, Profiles
from otel_agentperf.live.advising.recent import node_of, place_of
from otel_agentperf.live.frames import Frame
from otel_agentperf.model import Operation
from otel_agentperf.rules.caching.cache002_cacheable_tool import CacheableTool
from otel_agentperf.rules.caching.calls import Calls

if TYPE_CHECKING:
    from otel_agentperf.live.pipeline import Pipeline

# Members of an enum are dear to look up in Python 3.11.
_MODEL, _TIMEOUT, _PARALLEL, _CACHE, _RESOURCES, _FORECAST = Kind
_CATALOG = "otel_agentperf.pricing.catalog"
Pending = Mapping[str, Sequence[str] | None]


class Question(NamedTuple):
    """What is asked; names as the caller has them."""

    action: str = ""
    node: str | None = None
    """The node that the step is, or will be; `None` is the current one."""
    graph: str | None = None
    arguments: Any = None
    pending: Pending = MappingProxyType({})
    models: tuple[str, ...] = ()
    """Those allowed; empty allows any."""


class RequestAdvice(NamedTuple):
    """What the seam of a model needs to know before it sends a request."""

    model: Part[str]
    timeout_s: Part[float]
    """For one request. Its value is `None` only where nothing at all is known of the process."""
    trial: str | None
    """An allowed model, smaller than the one advised, that was not seen here often enough to be judged."""
    samples: int
    """Requests seen at this node, of all models."""


class Advisor:
    """Advises in the process of one pipeline.

    Args:
        pipeline: whose engine, prices, fingerprints and baseline are asked.
        clock: nanoseconds of a clock that never goes back.
    """

    def __init__(self, pipeline: Pipeline, clock: Callable[[], int] = monotonic_ns) -> None:
        self._pipeline = pipeline
        self.requests = pipeline.inferences
        self.followed = Followed(shown.show)
        self.profiles = Profiles(self._learned, self.requests, pipeline.prices, self._known_models, clock)
        self._machine = Machine()
        self._links = StepLinks()
        self._known: tuple[str, ...] = ()
        if pipeline.learner is not None:
            pipeline.learner.follow(self.followed, keeps=pipeline.settings.learn)

    def renew(self) -> None:
        """Begin anew, in a child process."""
        self.followed.renew()
        self.profiles.forget()
        self._links.renew()

    def _learned(self) -> Normals | None:
        return self._pipeline.learned

    def _known_models(self) -> tuple[str, ...]:
        """The models that prices are known of, once another has loaded the list: that takes half a second."""
        if not self._known:
            catalog = cast("Any", sys.modules.get(_CATALOG))
            current = getattr(catalog, "current_models", None)
            if current is not None:
                self._known = tuple(current())
        return self._known

    # -- asked -----------------------------------------------------------------------------

    def advise(self, question: Question, frame: Frame | None) -> Advice:
        """Answer.

        Args:
            question: what is asked.
            frame: the frame that asks, if there is one.
        """
        graph, node = place_of(frame)
        if question.graph is not None:
            graph = question.graph
        asked_node = node if question.node is None else question.node
        profile = self.profiles.of(graph, asked_node, question.models)
        pace = self.requests.pace()
        run = frame.run if frame is not None else None
        now_ns = time_ns()
        corrected = self.followed.calibration.corrected
        run_usd = float(run.view.totals.cost_usd) if run is not None else 0.0
        progress = None if run is None else Progress(run.name, max(0, now_ns - run.start_ns) / 1e9, run_usd)
        run_profile = profile if run is None or run.name == graph else self.profiles.of(run.name, "", ())
        advice = whole.combine(
            corrected(_MODEL, _model(profile, question.action, pace, is_named=bool(asked_node))),
            corrected(_TIMEOUT, profile.timeout or timeouts.by_pace(pace, profile.samples)),
            corrected(_PARALLEL, self._parallel(question, graph, frame)),
            corrected(_CACHE, self._cache(question, profile)),
            self._machine.part(now_ns),
            corrected(_FORECAST, remaining.decide(progress, run_profile.run_time, run_profile.run_cost)),
        )
        usual = Usual(profile.slow_s)
        # The current node has begun; another one will.
        own = node_of(frame) if question.node is None or question.node == node else None
        given = Given(advice, question.action, asked_node, own, now_ns, usual, frame)
        self.followed.give(given, run.id if run is not None else None, run_usd)
        if run is None:
            shown.show(given)
        return advice

    def for_request(self, frame: Frame | None, *, allowed: tuple[str, ...] = (), action: str = "") -> RequestAdvice:
        """What to ask and how long to wait, for one request that is about to be sent.

        It remembers nothing and shows nothing: whoever applies it says so on the request's span.

        Args:
            frame: the frame that the request is made in: the node's, or one beneath it.
            allowed: models that may be taken, the one asked for among them where that may stay.
            action: what the request is for; the node's name where empty.
        """
        graph, node = place_of(frame)
        profile = self.profiles.of(graph, node, allowed)
        pace = self.requests.pace()
        corrected = self.followed.calibration.corrected
        model = corrected(_MODEL, _model(profile, action or node, pace, is_named=bool(node)))
        limit = self.profiles.request_limit(graph, node, model.value or profile.models.usual)
        timeout = limit or timeouts.by_pace(pace)
        return RequestAdvice(model, corrected(_TIMEOUT, timeout), profile.chosen.untried, profile.chosen.samples)

    def _parallel(self, question: Question, graph: str, frame: Frame | None) -> Part[parallel.Batches]:
        if not question.pending:
            return _NOTHING_PENDING
        links = self._links.of(graph, frame.run if frame is not None else None)
        return parallel.decide(question.pending, links, lambda step: self.profiles.average_s(graph, step))

    def _cache(self, question: Question, profile: Profile) -> Part[CacheUse]:
        if question.arguments is None or not question.action:
            return profile.prompts
        return caching.reuse(question.action, self._seen(question)) or profile.prompts

    def _seen(self, question: Question) -> Seen | None:
        """What is known of an action with these arguments, from what CACHE002 keeps."""
        calls = self._pipeline.engine.process_state(CacheableTool.code)
        if not isinstance(calls, Calls) or question.action not in calls.tools:
            return None
        digest = self._pipeline.fingerprinter.arguments(question.arguments).arguments_hash
        found = calls.find(question.action, digest) if digest is not None else None
        if found is None:
            return None
        average_s, average_usd = found.total_ns / 1e9 / found.calls, float(found.cost_usd) / found.calls
        return Seen(found.calls, len(found.runs), found.varies, average_s, average_usd)

    # -- what ends -------------------------------------------------------------------------

    @guard.guarded("advising.ended", None, timed=False)
    def ended(self, frame: Frame, operation: Operation) -> None:
        """See what came of advice, now that an operation of a run with advice has ended."""
        for came in self.followed.ended(frame, operation):
            shown.show_outcome(came, frame)


def _model(profile: Profile, action: str, pace: Pace, *, is_named: bool) -> Part[str]:
    chosen = profile.chosen
    return chosen.part or models.by_kind(
        action, pace, profile.models, chosen.most_samples, chosen.failing, is_named=is_named
    )


_NOTHING_PENDING = parallel.decide({}, parallel.Links({}, {}), lambda _: None)
