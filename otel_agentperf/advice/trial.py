"""One change, tried on a share of the runs: the share grows while it does no harm, and falls to 0 when it does.

A unit is one run's use of one node: the unit that the lot is drawn for, so its calls count
together. Five bad things are watched, each by `Evidence`: the unit did not succeed; it took
longer than the middle of the latest units without the change, or than nine tenths of them, by
more than a tenth; it cost more than their middle, or than nine tenths of them. When evidence
reaches `TAKE_BACK_AT` the change is taken back: the share is 0 for an hour, twice as long each
further time, at most a week, and then begins anew at the first share.

A step up doubles the share, after `STEP_UNITS` units with the change and `STEP_CONTROLS` without
since the last step, if: Wilson's lower bound (90 %, one-sided) of its success is at most 0.10
below the others' success; of its units at most 0.10 more than of the others are slow, and dear;
and, where it shall save money, they cost at least 5 % less on average.

Pure: the time comes in. Limits: it knows only its own process, and a new one begins at the
first share; what is worse by less than about a tenth takes thousands of runs to be seen.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from enum import StrEnum
from hashlib import blake2b
from math import sqrt
from typing import NamedTuple

from otel_agentperf.advice.evidence import Evidence

TAKE_BACK_AT = 4_000.0
"""Evidence. By theory a harmless change goes on for at least this many runs on average for each thing watched."""
STEP_UNITS = 30
STEP_CONTROLS = 10
STEP_FACTOR = 2.0
SAVES_AT = 0.95
TOLERATED = 0.10
LATENCY_TOLERANCE = 1.1
REFUSALS = 3
"""Requests that were refused outright, with none that went well in between."""
_Z = 1.2816  # the 90 % quantile of the normal distribution
_WINDOW = 200
_LEAST_CONTROLS = 20
"""Units without the change before there is a middle to be slower or dearer than."""
_HIGH = 0.9
_FIRST_REST_S, _LONGEST_REST_S = 3_600.0, 7 * 86_400.0


class Watched(StrEnum):
    """What may become worse."""

    SUCCESS = "success"
    LATENCY = "latency"
    COST = "cost"
    REFUSED = "refused"


class Unit(NamedTuple):
    """One run's use of a node."""

    treated: bool
    share: float
    """How likely it was to be treated."""
    succeeded: bool | None
    """`None` where that cannot be told."""
    duration_s: float
    """Of its calls, added up."""
    cost_usd: float | None
    """Of its calls; `None` where one had no price."""


class TakenBack(NamedTuple):
    """Why a change was taken back, in numbers."""

    watched: Watched
    evidence: float
    treated: int
    """Units since the last step."""
    controls: int
    rest_s: float


class Grown(NamedTuple):
    """A step up."""

    share: float


class _Tally:
    """What came of the units of one kind since the last step."""

    __slots__ = ("cost_usd", "dear", "priced", "slow", "succeeded", "told", "units")

    def __init__(self) -> None:
        self.units = self.told = self.succeeded = self.slow = self.dear = self.priced = 0
        self.cost_usd = 0.0

    @property
    def success(self) -> float:
        return self.succeeded / self.told if self.told else 1.0

    def least_success(self) -> float:
        """Wilson's lower bound."""
        n = self.told
        if not n:
            return 0.0
        p, z2 = self.success, _Z * _Z
        return (p + z2 / (2 * n) - _Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)


class _Latest:
    """The latest values of units without the change, and where their middle and their high end are."""

    __slots__ = ("_in_order", "_values")

    def __init__(self) -> None:
        self._values: deque[float] = deque()
        self._in_order: list[float] = []

    def add(self, value: float) -> None:
        self._values.append(value)
        insort(self._in_order, value)
        if len(self._values) > _WINDOW:
            del self._in_order[bisect_left(self._in_order, self._values.popleft())]

    def limits(self) -> tuple[float, float] | None:
        ordered = self._in_order
        if len(ordered) < _LEAST_CONTROLS:
            return None
        return ordered[len(ordered) // 2], ordered[int(len(ordered) * _HIGH)]


class Trial:
    """A change at a node, and what came of it.

    Args:
        first_share: of the runs, to begin with.
        max_share: which it does not exceed.
        saves: whether it must cost less in order to grow.
    """

    __slots__ = (
        "_evidence",
        "_first",
        "_latest",
        "_max",
        "_refusals",
        "_resting_until_s",
        "_rests",
        "_saves",
        "_share",
        "_tallies",
        "units",
    )

    def __init__(self, first_share: float, max_share: float, *, saves: bool) -> None:
        self._first, self._max, self._saves = first_share, max_share, saves
        self._rests = 0
        self._resting_until_s: float | None = None
        self._begin()

    def _begin(self) -> None:
        self._share = self._first
        self._refusals = 0
        self.units = 0
        self._evidence = {
            (Watched.SUCCESS, 0): Evidence(),
            (Watched.LATENCY, 0): Evidence(),
            (Watched.LATENCY, 1): Evidence(),
            (Watched.COST, 0): Evidence(),
            (Watched.COST, 1): Evidence(),
        }
        self._latest = {Watched.LATENCY: _Latest(), Watched.COST: _Latest()}
        self._step()

    def _step(self) -> None:
        self._tallies = {True: _Tally(), False: _Tally()}

    def share(self, now_s: float) -> float:
        """The share of the runs that are treated now; 0 while it rests."""
        if self._resting_until_s is not None:
            if now_s < self._resting_until_s:
                return 0.0
            self._resting_until_s = None
            self._begin()
        return self._share

    def refused(self, now_s: float) -> TakenBack | None:
        """Note that a request was refused as changed. A few of them need no statistics."""
        self._refusals += 1
        if self._refusals < REFUSALS or self._resting_until_s is not None:
            return None
        return self._take_back(Watched.REFUSED, float(self._refusals), now_s)

    def take(self, unit: Unit, now_s: float) -> TakenBack | Grown | None:
        """Take in what came of a run.

        Args:
            unit: it.
            now_s: the time, in seconds.

        Returns:
            What follows from it, if anything.
        """
        if self._resting_until_s is not None or not 0 < unit.share < 1:
            return None
        self.units += 1
        tally = self._tallies[unit.treated]
        tally.units += 1
        if unit.succeeded is not None:
            tally.told += 1
            tally.succeeded += unit.succeeded
            if unit.treated and unit.succeeded:
                self._refusals = 0
            self._bet((Watched.SUCCESS, 0), unit, bad=not unit.succeeded)
        tally.slow += self._compare(Watched.LATENCY, unit, unit.duration_s, LATENCY_TOLERANCE)
        if unit.cost_usd is not None:
            tally.priced += 1
            tally.cost_usd += unit.cost_usd
            tally.dear += self._compare(Watched.COST, unit, unit.cost_usd, 1.0)
        (watched, _), worst = max(self._evidence.items(), key=lambda item: item[1].value)
        if worst.value >= TAKE_BACK_AT:
            return self._take_back(watched, worst.value, now_s)
        if self._share < self._max and self._may_grow():
            self._share = min(self._share * STEP_FACTOR, self._max)
            self._step()
            return Grown(self._share)
        return None

    def _compare(self, watched: Watched, unit: Unit, value: float, tolerance: float) -> bool:
        """Whether a value is above the middle of the others."""
        latest = self._latest[watched]
        limits = latest.limits()
        above = False
        if limits is not None:
            allowed = tolerance if unit.treated else 1.0
            for place, limit in enumerate(limits):
                bad = value > limit * allowed
                above = above or bad
                self._bet((watched, place), unit, bad=bad)
        if not unit.treated:
            latest.add(value)
        return above

    def _bet(self, watched: tuple[Watched, int], unit: Unit, *, bad: bool) -> None:
        self._evidence[watched].take(treated=unit.treated, share=unit.share, bad=bad)

    def _may_grow(self) -> bool:
        treated, others = self._tallies[True], self._tallies[False]
        if treated.units < STEP_UNITS or others.units < STEP_CONTROLS:
            return False
        if treated.least_success() < others.success - TOLERATED:
            return False
        if treated.slow / treated.units > others.slow / others.units + TOLERATED:
            return False
        if not treated.priced or not others.priced:
            return not self._saves
        if treated.dear / treated.priced > others.dear / others.priced + TOLERATED:
            return False
        return not self._saves or treated.cost_usd / treated.priced < SAVES_AT * others.cost_usd / others.priced

    def _take_back(self, watched: Watched, evidence: float, now_s: float) -> TakenBack:
        rest_s = min(_FIRST_REST_S * 2.0 ** min(self._rests, 10), _LONGEST_REST_S)
        self._rests += 1
        self._resting_until_s = now_s + rest_s
        return TakenBack(watched, evidence, self._tallies[True].units, self._tallies[False].units, rest_s)


def lot(run: str, node: str, change: str) -> float:
    """The lot of a run, 0 up to 1: treated where it is below the share.

    The same for all calls of the node in the run, in whatever thread, task or process, and
    of one run independent from node to node and from change to change. A run that is treated
    at a share is so at every larger one.
    """
    digest = blake2b(f"{run}\x1f{node}\x1f{change}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
