"""What the past says of a node, kept for some seconds: asking a baseline takes longer than an advice may.

A profile is made when advice for its node is first asked for, and made anew, in a thread of its own, when it
is asked for and no longer fresh (`freshness`). What depends on the run, on the arguments or on the pace of the process is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from otel_agentperf.advice import caching, models, timeouts
from otel_agentperf.advice.facts import Models, Past, Place
from otel_agentperf.advice.results import CacheUse, Part
from otel_agentperf.baselines import forecast
from otel_agentperf.baselines.normals import Measure, Normal, Normals, Subject, SubjectKind
from otel_agentperf.live.advising.freshness import Freshness, Need, fresh
from otel_agentperf.live.advising.prompting import prompting_of
from otel_agentperf.live.advising.recent import RecentInferences
from otel_agentperf.live.advising.refreshing import Refresher
from otel_agentperf.pricing.book import PriceBook

MAX_PROFILES = 16_384
_Key = tuple[str, str, tuple[str, ...]]


class Profile(NamedTuple):
    """What is known of one node, with one list of allowed models."""

    freshness: Freshness
    """By the clock that was given."""
    models: Models
    chosen: models.Chosen
    timeout: Part[float] | None
    samples: int
    """Finished steps of the node."""
    slow_s: float | None
    """The 95th percentile of its durations."""
    prompts: Part[CacheUse]
    run_time: Normal | None
    """Of the graph."""
    run_cost: Normal | None


class Profiles:
    """The profiles of this process.

    Args:
        learned: gives what was learned, `None` where nothing was.
        requests: the last ones.
        prices: what is asked for prices.
        known_models: names of which prices are known, without loading anything.
        clock: nanoseconds of a clock that never goes back.
    """

    def __init__(
        self,
        learned: Callable[[], Normals | None],
        requests: RecentInferences,
        prices: PriceBook,
        known_models: Callable[[], Sequence[str]],
        clock: Callable[[], int],
    ) -> None:
        self._learned = learned
        self._requests = requests
        self._prices = prices
        self._known = known_models
        self._clock = clock
        self.refresher = Refresher()
        self._made: dict[_Key, Profile] = {}
        self._request_limits: dict[tuple[str, str, str], tuple[Freshness, Part[float] | None]] = {}

    def of(self, graph: str, node: str, allowed: tuple[str, ...]) -> Profile:
        """The profile of a node."""
        key = (graph, node, allowed)
        found = self._made.get(key)
        now_ns = self._clock()
        if found is None:
            return self._make_anew(key)
        if found.freshness.until_ns < now_ns:
            self.refresher.ask(key, lambda: self._make_anew(key))
        return found

    def _make_anew(self, key: _Key) -> Profile:
        before = self._made.get(key)
        made = self._make(*key, before.freshness if before is not None else None)
        if len(self._made) >= MAX_PROFILES:
            self._made.clear()
        self._made[key] = made
        return made

    def request_limit(self, graph: str, node: str, model: str) -> Part[float] | None:
        """How long to wait for one request of a model at a node, from its past; `None` where that is too short."""
        key = (graph, node, model)
        found = self._request_limits.get(key)
        if found is None:
            return self._limit_anew(key)
        freshness, part = found
        if freshness.until_ns < self._clock():
            self.refresher.ask(("limit", *key), lambda: self._limit_anew(key))
        return part

    def _limit_anew(self, key: tuple[str, str, str]) -> Part[float] | None:
        graph, node, model = key
        normals = self._learned()
        subject = Subject(SubjectKind.NODE_MODEL, model, graph, node)
        duration = None if normals is None else normals.normal(subject, Measure.DURATION_S)
        part = timeouts.learned(duration)
        before = self._request_limits.get(key)
        needs = (Need(_samples(duration), timeouts.MIN_SAMPLES),)
        freshness = fresh(self._clock(), needs, before[0] if before is not None else None, len(self._request_limits))
        if len(self._request_limits) >= MAX_PROFILES:
            self._request_limits.clear()
        self._request_limits[key] = (freshness, part)
        return part

    def forget(self) -> None:
        """Make all anew when they are asked for next; in a child process too."""
        self.refresher.renew()
        self._made = {}
        self._request_limits = {}

    def average_s(self, graph: str, step: str) -> float | None:
        """How long a step takes on average: a node of this graph, else a tool."""
        normals = self._learned()
        if normals is None:
            return None
        for subject in (Subject(SubjectKind.NODE, step, graph), Subject(SubjectKind.TOOL, step)):
            found = normals.normal(subject, Measure.DURATION_S)
            if found is not None:
                return found.mean
        return None

    def _make(self, graph: str, node: str, allowed: tuple[str, ...], before: Freshness | None) -> Profile:
        normals = self._learned()
        usual = self._requests.usual_model(graph, node)
        choice = Models(allowed, usual, tuple(self._known()))
        duration = run_time = run_cost = None
        if normals is not None:
            if node:
                duration = normals.normal(Subject(SubjectKind.NODE, node, graph), Measure.DURATION_S)
            if graph:
                run = Subject(SubjectKind.GRAPH, graph)
                run_time, run_cost = normals.normal(run, Measure.DURATION_S), normals.normal(run, Measure.COST_USD)
        requests = self._requests.of(graph, node)
        prompting = prompting_of(requests, self._prices) if requests else None
        chosen = models.learned(Past(normals, Place(graph, node)), choice)
        needs = [Need(_samples(run), forecast.MIN_SAMPLES) for run in (run_time, run_cost)] if graph else []
        if node:
            needs += (
                Need(_samples(duration), timeouts.MIN_SAMPLES),
                Need(chosen.most_samples if chosen.part is None else models.MIN_SAMPLES, models.MIN_SAMPLES),
                Need(prompting.comparable if prompting is not None else 0, caching.MIN_REQUESTS),
            )
        return Profile(
            fresh(self._clock(), needs, before, len(self._made)),
            choice,
            chosen,
            timeouts.learned(duration),
            _samples(duration),
            duration.quantile(0.95) if duration is not None else None,
            caching.prompts(node, prompting),
            run_time,
            run_cost,
        )


def _samples(normal: Normal | None) -> int:
    return normal.samples if normal is not None else 0
