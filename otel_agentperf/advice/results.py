"""What an advice is: six parts, each a value with its reasons, or the reason why there is none.

Confidence is 0 to 1. An estimated improvement is what following the part saves against going on
as before, in seconds and US dollars, and names the basis of the figure: `repriced` (the same work
at the price that was seen elsewhere), `measured` (time or money that was already spent on just
this) or `estimated` (a stated formula). There is no improvement without a formula.

Frozen and slotted: parts that do not depend on the run are made once and handed out many times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar, cast

from otel_agentperf.model import SavingBasis

V_co = TypeVar("V_co", covariant=True)
Json = str | float | int | bool | None | list["Json"] | dict[str, "Json"]


class Kind(StrEnum):
    """The parts of an advice."""

    __hash__ = str.__hash__  # Enum hashes in Python

    MODEL = "model"
    TIMEOUT = "timeout_s"
    PARALLEL = "parallel"
    CACHE = "cache"
    RESOURCES = "resources"
    FORECAST = "forecast"


KINDS = tuple(Kind)


class CacheUse(StrEnum):
    """What to do about caching."""

    REUSE = "reuse"
    """The same arguments gave the same result before: keep it by its arguments."""
    PREFIX = "prefix"
    """Gemini caches the beginning by itself, where it stays the same and requests come soon after one another."""
    CONTEXT = "context_cache"
    """An explicit context cache pays, its storage included."""
    NONE = "none"
    """Nothing of it pays."""


class Pressure(StrEnum):
    """What to do about the machine."""

    GO_ON = "go_on"
    HOLD_BACK = "hold_back"
    """Start no more work at once than is under way."""


class Improvement(NamedTuple):
    """What following a part saves."""

    basis: SavingBasis
    time_s: float | None = None
    cost_usd: float | None = None

    def as_dict(self) -> dict[str, Json]:
        """The same in plain types."""
        return {"time_s": self.time_s, "cost_usd": self.cost_usd, "basis": self.basis.value}


class Interval(NamedTuple):
    """What is still to come of one measure; `None` is open: too few finished runs went so far."""

    lower: float
    median: float | None
    upper: float | None

    def as_dict(self) -> dict[str, Json]:
        """The same in plain types."""
        return {"lower": self.lower, "median": self.median, "upper": self.upper}


class Remaining(NamedTuple):
    """The rest of the run; `None` where its past says nothing of it."""

    time_s: Interval | None
    cost_usd: Interval | None
    coverage: float
    """Between both bounds lie at least so many of such runs."""

    def as_dict(self) -> dict[str, Json]:
        """The same in plain types."""
        return {
            "remaining_s": None if self.time_s is None else self.time_s.as_dict(),
            "remaining_usd": None if self.cost_usd is None else self.cost_usd.as_dict(),
            "coverage": self.coverage,
        }


Batches = tuple[tuple[str, ...], ...]
"""Steps that may run at once, batch after batch; the first may run now."""


@dataclass(frozen=True, slots=True)
class Part(Generic[V_co]):
    """One part of an advice; `value` is `None` where it abstains, and `abstains` says why."""

    value: V_co | None
    confidence: float
    reasoning: str
    evidence: Mapping[str, float | int] = field(default_factory=dict[str, "float | int"])
    improvement: Improvement | None = None
    abstains: str | None = None
    source: str = ""
    """What it rests on, such as `learned`; calibration keeps its counts by it."""
    is_prior: bool = False
    """Whether it rests on no samples of the step; then its confidence is a stated one, and never grows."""

    def as_dict(self) -> dict[str, Json]:
        """The same in plain types, as a checkpointer can keep it."""
        return {
            "value": plain(self.value),
            "confidence": self.confidence,
            "estimated_improvement": None if self.improvement is None else self.improvement.as_dict(),
            "reasoning": self.reasoning,
            "evidence": dict(self.evidence),
            "abstains": self.abstains,
        }


def abstain(reason: str, evidence: Mapping[str, float | int] | None = None) -> Part[Any]:
    """A part that says nothing, and why."""
    return Part(None, 0.0, "", evidence or {}, abstains=reason)


def too_few(samples: int, needed: int, unit: str = "samples") -> Part[Any]:
    """A part that has seen too little."""
    return abstain(f"not enough data: {samples} of {needed} {unit}", {"samples": samples, "needed_samples": needed})


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do before a step, and why.

    Of the whole: `confidence` is the average of those of the parts that say something; the
    estimated improvement is, for time and for cost, the largest of any part: two parts may save the
    same second, so they are not added up, and it errs towards too little.
    """

    model: Part[str]
    timeout_s: Part[float]
    parallel: Part[Batches]
    cache: Part[CacheUse]
    resources: Part[Pressure]
    forecast: Part[Remaining]
    confidence: float = 0.0
    improvement: Improvement | None = None
    reasoning: str = ""
    evidence: Mapping[str, float | int] = field(default_factory=dict[str, "float | int"])

    @property
    def parts(self) -> dict[Kind, Part[object]]:
        """The six parts by kind."""
        parts = (self.model, self.timeout_s, self.parallel, self.cache, self.resources, self.forecast)
        return dict(zip(KINDS, parts, strict=True))

    @property
    def abstains(self) -> bool:
        """Whether no part says anything."""
        return all(part.value is None for part in self.parts.values())

    def as_dict(self) -> dict[str, Json]:
        """The same in plain dictionaries, lists, strings and numbers, for a graph's state or for JSON."""
        told: dict[str, Json] = {kind.value: part.as_dict() for kind, part in self.parts.items()}
        told["confidence"] = self.confidence
        told["estimated_improvement"] = None if self.improvement is None else self.improvement.as_dict()
        told["reasoning"] = self.reasoning
        told["evidence"] = dict(self.evidence)
        return told


def plain(value: object) -> Json:
    """A part's value in plain types."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Remaining):
        return value.as_dict()
    if isinstance(value, tuple):
        return [plain(each) for each in cast("tuple[object, ...]", value)]
    return value if isinstance(value, (str, float, int)) else None
