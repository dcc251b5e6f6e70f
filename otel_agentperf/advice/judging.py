"""What came of a piece of advice, once the step or the run that it was for has ended.

- A model was right where every request of the step asked it, the step did not fail, and it took no longer
  than 95 % of such steps did; wrong where it was asked and one of these does not hold; ignored where
  another one was asked. What it saved is what a request of the model that was usual here cost and took on
  average, less what the requests of this step did: what was claimed is of one request too.
- A time limit was right where the step succeeded within it, wrong where it succeeded later: it
  would have been cut off. A step that failed tells nothing.
- A cached beginning was right where the step's requests read from the cache.
- A forecast was right where what the run took lies within its interval. Time and cost are judged each by
  itself, so that a forecast with both counts twice; the cost of a run with a request without a price tells nothing.

What tells nothing is unseen. Whether steps ran at once, whether a result was reused, and what holding back
spared, is not seen.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from otel_agentperf.advice.calibration import Outcome
from otel_agentperf.advice.results import CacheUse, Improvement, Interval, Part, Remaining
from otel_agentperf.advice.sizes import same
from otel_agentperf.model import SavingBasis


class Step(NamedTuple):
    """What a step was like."""

    models: Collection[str]
    """Those that its requests asked for."""
    duration_s: float
    request_s: float | None
    """Average duration of its requests."""
    request_usd: float | None
    """Average cost of its requests, where all of them have a price."""
    cached_tokens: int
    failed: bool
    whole: bool
    """False where it was interrupted, cancelled or taken from a cache: then it tells nothing."""


class Usual(NamedTuple):
    """What such steps were like when the advice was given; `None` is not known."""

    slow_s: float | None
    """95 % of them took no longer."""


def model(part: Part[str], step: Step, usual: Usual) -> Outcome:
    """What came of the advised model."""
    if part.value is None:
        return Outcome.ABSTAINED
    if not step.models or not step.whole:
        return Outcome.UNSEEN
    if any(same(asked, (part.value,)) is None for asked in step.models):
        return Outcome.IGNORED
    slow = usual.slow_s is not None and step.duration_s > usual.slow_s
    return Outcome.WRONG if step.failed or slow else Outcome.RIGHT


def realised(part: Part[str], step: Step) -> Improvement:
    """What a request of a step saved against those of the usual model."""
    usual_s, usual_usd = part.evidence.get("usual_average_s"), part.evidence.get("usual_average_usd")
    return Improvement(
        SavingBasis.MEASURED,
        None if usual_s is None or step.request_s is None else usual_s - step.request_s,
        None if usual_usd is None or step.request_usd is None else usual_usd - step.request_usd,
    )


def timeout(part: Part[float], step: Step) -> Outcome:
    """What came of the time limit."""
    if part.value is None:
        return Outcome.ABSTAINED
    if step.failed or not step.whole:
        return Outcome.UNSEEN
    return Outcome.RIGHT if step.duration_s <= part.value else Outcome.WRONG


def cache(part: Part[CacheUse], step: Step) -> Outcome:
    """What came of the advice on caching."""
    if part.value is None:
        return Outcome.ABSTAINED
    if part.value not in (CacheUse.PREFIX, CacheUse.CONTEXT) or not step.models or step.failed or not step.whole:
        return Outcome.UNSEEN
    return Outcome.RIGHT if step.cached_tokens else Outcome.IGNORED


def forecast(part: Part[Remaining], further_s: float, further_usd: float | None, *, whole: bool) -> list[Outcome]:
    """Whether the run ended within its forecast.

    Args:
        part: the forecast.
        further_s: what the run took after it.
        further_usd: the same; `None` where that is not known.
        whole: False where the run failed, or did not come to its end.

    Returns:
        What came of each interval that the forecast has.
    """
    if part.value is None:
        return [Outcome.ABSTAINED]
    told = ((part.value.time_s, further_s), (part.value.cost_usd, further_usd))
    return [_came(interval, further if whole else None) for interval, further in told if interval is not None]


def _came(interval: Interval, value: float | None) -> Outcome:
    if value is None:
        return Outcome.UNSEEN
    within = interval.lower <= value and (interval.upper is None or value <= interval.upper)
    return Outcome.RIGHT if within else Outcome.WRONG
