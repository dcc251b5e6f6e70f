"""How good the advice was: counts that are kept, shown, and correct later confidences and savings.

Counts are kept by the kind of advice and by what it rested on (`model/simple`,
`timeout_s/learned`). They are sums, so that those of several processes merge in any order.

- Confidence is the mean of a Beta posterior: the stated confidence c counts as `STRENGTH`
  pieces of advice that were seen before, so (c x STRENGTH + right) / (STRENGTH + right + wrong). What rests on no
  samples of the step (models by the kind of work, default time limits) is at most as sure as stated: that 21 s
  are enough for a step of a millisecond is right each time, and proves nothing of the limit.
- A saving is multiplied by (STRENGTH + sum of realised / claimed) / (STRENGTH + their number), each
  ratio bound to -1 to 2 and the factor to 0 to 1: a saving never grows by it, and a single odd
  step moves it by little.

Without any count both leave what was stated as it is. The posterior: Gelman et al., *Bayesian
Data Analysis*, 3rd ed., section 2.4; the strength of 10 is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TypeVar

from otel_agentperf.advice.results import Improvement, Kind, Part

V = TypeVar("V")
STRENGTH = 10.0
MAX_TALLIES = 200
"""Kinds and sources at most; those there are come to about twenty."""
_LEAST_RATIO, _MOST_RATIO = -1.0, 2.0


class Outcome(StrEnum):
    """What came of a piece of advice."""

    __hash__ = str.__hash__  # Enum hashes in Python

    RIGHT = "right"
    """Followed, or put to the test, and it held."""
    WRONG = "wrong"
    """Followed, or put to the test, and it did not hold."""
    IGNORED = "ignored"
    """Something else was done."""
    UNSEEN = "unseen"
    """What came of it was not seen: the step did not run, or nothing tells."""
    ABSTAINED = "abstained"
    """There was none."""


@dataclass(slots=True)
class Tally:
    """What came of the advice of one kind and source."""

    right: int = 0
    wrong: int = 0
    ignored: int = 0
    time_claims: int = 0
    """Savings of time that were claimed and could be compared."""
    time_ratios: float = 0.0
    """Sum of realised / claimed over them."""
    cost_claims: int = 0
    cost_ratios: float = 0.0

    def merge(self, other: Tally) -> None:
        """Add other counts to these."""
        for each in _FIELDS:
            setattr(self, each, getattr(self, each) + getattr(other, each))


_FIELDS = tuple(each.name for each in fields(Tally))


class Calibration:
    """The counts of all kinds and sources. Whoever shares one between threads holds a lock."""

    __slots__ = ("_tallies",)

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = {}

    def tally(self, kind: Kind | str, source: str) -> Tally:
        """The counts of one kind and source; those beyond the bound share one."""
        key = (kind, source)
        found = self._tallies.get(key)
        if found is None:
            if len(self._tallies) >= MAX_TALLIES:
                key = (kind, "other")
            found = self._tallies.setdefault(key, Tally())
        return found

    def note(self, kind: Kind, source: str, outcome: Outcome) -> None:
        """Count what came of a piece of advice; what was not seen teaches nothing, and is not counted here."""
        if outcome is Outcome.UNSEEN or outcome is Outcome.ABSTAINED:
            return
        tally = self.tally(kind, source)
        setattr(tally, outcome.value, getattr(tally, outcome.value) + 1)

    def compare(self, kind: Kind, source: str, claimed: Improvement, realised: Improvement) -> None:
        """Take in what following a piece of advice claimed to save, and what it did. Only positive claims count."""
        tally = self.tally(kind, source)
        if claimed.time_s is not None and claimed.time_s > 0 and realised.time_s is not None:
            tally.time_claims += 1
            tally.time_ratios += _ratio(realised.time_s, claimed.time_s)
        if claimed.cost_usd is not None and claimed.cost_usd > 0 and realised.cost_usd is not None:
            tally.cost_claims += 1
            tally.cost_ratios += _ratio(realised.cost_usd, claimed.cost_usd)

    def corrected(self, kind: Kind, part: Part[V]) -> Part[V]:
        """A part with the confidence and the savings that its past allows.

        Args:
            kind: which part it is.
            part: as it was decided.
        """
        tallies = self._tallies
        tally = tallies.get((kind, part.source)) if tallies else None
        if tally is None or part.value is None:
            return part
        tried = tally.right + tally.wrong
        improvement = part.improvement
        if improvement is not None and (tally.time_claims or tally.cost_claims):
            improvement = Improvement(
                improvement.basis,
                _times(improvement.time_s, tally.time_ratios, tally.time_claims),
                _times(improvement.cost_usd, tally.cost_ratios, tally.cost_claims),
            )
        if not tried and improvement is part.improvement:
            return part
        confidence = (part.confidence * STRENGTH + tally.right) / (STRENGTH + tried)
        if part.is_prior:
            confidence = min(part.confidence, confidence)
        evidence = {
            **part.evidence,
            "advice_right": tally.right,
            "advice_wrong": tally.wrong,
            "stated_confidence": part.confidence,
        }
        return replace(part, confidence=round(confidence, 4), improvement=improvement, evidence=evidence)

    def merge(self, other: Calibration) -> None:
        """Add the counts of another one, which is left as it is."""
        for (kind, source), tally in other._tallies.items():
            self.tally(kind, source).merge(tally)

    def counts(self) -> Iterator[tuple[str, str, Tally]]:
        """Kind, source and counts, in order of their names."""
        for (kind, source), tally in sorted(self._tallies.items(), key=lambda one: one[0]):
            yield kind, source, tally

    def __len__(self) -> int:
        return len(self._tallies)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """All counts by `kind/source`, in plain types."""
        return {
            f"{kind}/{source}": {each: value for each in _FIELDS if (value := getattr(tally, each))}
            for kind, source, tally in self.counts()
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Mapping[str, float]]) -> Calibration:
        """What `to_dict` gave. Names and counts that it does not know are left out.

        Raises:
            ValueError: a count is no number.
        """
        made = cls()
        for name, counts in told.items():
            kind, _, source = name.partition("/")
            if kind not in _KINDS:
                continue
            tally = made.tally(kind, source)
            for each in _FIELDS:
                kept = counts.get(each, 0)
                setattr(tally, each, float(kept) if each.endswith("ratios") else int(kept))
        return made


_KINDS = frozenset(kind.value for kind in Kind)


def _ratio(realised: float, claimed: float) -> float:
    return min(_MOST_RATIO, max(_LEAST_RATIO, realised / claimed))


def _times(saving: float | None, ratios: float, claims: int) -> float | None:
    if saving is None or not claims or saving <= 0:
        return saving
    return saving * min(1.0, max(0.0, (STRENGTH + ratios) / (STRENGTH + claims)))
