"""Which model to ask: the cheapest that held quality and latency here, else one by the kind of work.

Learned, where this node was seen often enough under a model: of the models seen at the node and
allowed, the cheapest by average cost of a request among those that

- held quality: the lower bound of their success rate (Wilson, one-sided 95 %) is at most
  `QUALITY_MARGIN` below the success rate of the model that the node uses most, and
- held latency: their 90th percentile is at most `LATENCY_MARGIN` times that model's.

The model that the node uses most holds both by itself. Confidence is the lower bound of the
chosen model's success rate divided by that model's rate, at most 0.99. The improvement is the
difference of the average cost and duration of a request (repriced: as measured there).

Where no model that is allowed held quality and latency, or what the requests cost is not known, it abstains.

For a node never seen, or not often enough: a simple action takes a flash model (0.9), one to think
about a pro one (0.8); else flash where the requests of the last five minutes took more than 3 s on
average (0.7), pro otherwise (0.6). These rules and their confidences are the system's users';
which concrete model is meant, `sizes` says. There is no improvement stated for them: nothing was measured. It abstains
where that model was seen to fail here: with at least `FEW_SAMPLES` requests, where the upper bound of its success rate
(Wilson, as above) is below 1 less `QUALITY_MARGIN`.

Limits: success is what was learned of requests and runs: an answer that is wrong and raises no
error, in a run that nobody judged, counts as a success (`otel_agentperf.outcome` judges one).
Source of the bound: Wilson, *Probable inference, the law of succession, and statistical
inference*, 1927.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from types import MappingProxyType
from typing import NamedTuple

from otel_agentperf.advice.actions import Work, work_of
from otel_agentperf.advice.facts import Models, Pace, Past
from otel_agentperf.advice.results import Improvement, Part, abstain
from otel_agentperf.advice.sizes import concrete, same
from otel_agentperf.baselines.normals import Measure, Normals, Outcomes, Subject, SubjectKind
from otel_agentperf.model import SavingBasis
from otel_agentperf.pricing.families import Size, rank

MIN_SAMPLES = 20
"""Fewest requests of a model at a node: with 20 successes of 20, the lower bound is 0.88."""
FEW_SAMPLES = 5
"""Fewest requests after which a model may be said to fail at a node."""
QUALITY_MARGIN = 0.1
LATENCY_MARGIN = 1.25
SLOW_S = 3.0
Z_95 = 1.645
_TAIL = 0.9
_MOST_CONFIDENCE = 0.99
_PRIORS = {
    "simple": (Size.FLASH, 0.9),
    "complex": (Size.PRO, 0.8),
    "slow": (Size.FLASH, 0.7),
    "otherwise": (Size.PRO, 0.6),
}


class Record(NamedTuple):
    """What is known of one model at one node. Seconds and US dollars, of one request."""

    model: str
    samples: int
    rate: float
    """Of success."""
    least_rate: float
    mean_s: float
    tail_s: float
    mean_usd: float


def wilson_lower(successes: float, failures: float, z: float = Z_95) -> float:
    """The lower bound of a success rate; 0 where nothing was seen."""
    n = successes + failures
    if n <= 0:
        return 0.0
    share = successes / n
    middle = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + z * z / n))


class Chosen(NamedTuple):
    """What the past of a node says."""

    part: Part[str] | None
    """`None` where no model was seen often enough; it may abstain."""
    samples: int
    """Requests seen at the node, of all models."""
    untried: str | None
    """An allowed model that costs less by its size and was not seen here often enough to be judged."""
    failing: Mapping[str, Outcomes] = MappingProxyType({})
    """What came of the models that were seen to fail here."""
    most_samples: int = 0
    """Requests to the allowed model that was seen here most."""


def learned(past: Past, models: Models) -> Chosen:  # noqa: C901 - one walk over the models of a node
    """Choose by the past of the node.

    Args:
        past: what was learned, and of which node.
        models: which may be chosen.
    """
    normals, (graph, node) = past
    if normals is None or not node:
        return Chosen(None, 0, None)
    seen = most = 0
    records: list[Record] = []
    failing: dict[str, Outcomes] = {}
    unpriced: tuple[str, ...] = ()
    for model in normals.models_of(graph, node):
        subject = Subject(SubjectKind.NODE_MODEL, model, graph, node)
        outcomes = normals.outcomes(subject)
        if outcomes is None:
            continue
        seen += outcomes.samples
        record = _record(normals, subject, outcomes)
        if record is not None:
            records.append(record)
        if _fails(outcomes):
            failing[model] = outcomes
        if not models.allowed or same(model, models.allowed) is not None:
            most = max(most, outcomes.samples)
            if record is None and outcomes.samples >= MIN_SAMPLES and outcomes.successes:
                unpriced = (*unpriced, model)
    if not records:
        part = abstain(f"what requests to {unpriced[0]} cost is not known", {"samples": most}) if unpriced else None
        return Chosen(part, seen, None, failing, most)
    usual = max(records, key=lambda record: record.samples)
    allowed = [record for record in records if not models.allowed or same(record.model, models.allowed) is not None]
    held = [record for record in allowed if record is usual or _holds(record, usual)]
    if allowed and not held:
        return Chosen(_none_held(allowed, usual), seen, None, failing, most)
    if not held:
        return Chosen(None, seen, None, failing, most)
    best = min(held, key=lambda record: (record.mean_usd, record.mean_s))
    return Chosen(_part(best, usual, records, models), seen, _untried(best, records, models.allowed), failing, most)


def _record(normals: Normals, subject: Subject, outcomes: Outcomes | None) -> Record | None:
    duration = normals.normal(subject, Measure.DURATION_S)
    cost = normals.normal(subject, Measure.COST_USD)
    if outcomes is None or duration is None or cost is None or outcomes.samples < MIN_SAMPLES:
        return None
    total = outcomes.successes + outcomes.failures
    return Record(
        subject.name,
        outcomes.samples,
        outcomes.successes / total if total > 0 else 0.0,
        wilson_lower(outcomes.successes, outcomes.failures),
        duration.mean,
        duration.quantile(_TAIL),
        cost.mean,
    )


def _holds(record: Record, usual: Record) -> bool:
    return record.least_rate >= usual.rate - QUALITY_MARGIN and record.tail_s <= LATENCY_MARGIN * usual.tail_s


def _fails(outcomes: Outcomes) -> bool:
    return (
        outcomes.samples >= FEW_SAMPLES and 1 - wilson_lower(outcomes.failures, outcomes.successes) < 1 - QUALITY_MARGIN
    )


def _none_held(allowed: Sequence[Record], usual: Record) -> Part[str]:
    best = max(allowed, key=lambda record: record.least_rate)
    return abstain(
        f"none of the models allowed did as well here as {usual.model}: {best.model} succeeded in {best.rate:.0%} of "
        f"{best.samples} requests and took {best.mean_s:.3g} s, {usual.rate:.0%} and {usual.mean_s:.3g} s there",
        {
            "samples": best.samples,
            "success_rate": round(best.rate, 4),
            "average_s": round(best.mean_s, 6),
            "usual_samples": usual.samples,
            "usual_success_rate": round(usual.rate, 4),
            "usual_average_s": round(usual.mean_s, 6),
        },
    )


def _part(best: Record, usual: Record, records: list[Record], models: Models) -> Part[str]:
    name = (same(best.model, models.allowed) or best.model) if models.allowed else best.model
    confidence = min(_MOST_CONFIDENCE, best.least_rate / usual.rate) if usual.rate > 0 else 0.0
    improvement = None
    if best is usual:
        others = len(records) - 1
        reasoning = f"{name} is the cheapest of the models seen here that holds quality and latency."
        if not others:
            reasoning = (
                f"{name} is the only model that was seen here often enough: {best.rate:.0%} of {best.samples} requests "
                "succeeded."
            )
    else:
        saved_usd, saved_s = usual.mean_usd - best.mean_usd, usual.mean_s - best.mean_s
        improvement = Improvement(SavingBasis.REPRICED, round(saved_s, 6), round(saved_usd, 9))
        reasoning = (
            f"{name} did as well here as {usual.model} ({best.rate:.0%} of {best.samples} requests succeeded, "
            f"{usual.rate:.0%} there) and costs ${best.mean_usd:.2g} a request in place of ${usual.mean_usd:.2g}."
        )
    evidence: dict[str, float | int] = {
        "samples": best.samples,
        "success_rate": round(best.rate, 4),
        "least_success_rate": round(best.least_rate, 4),
        "average_usd": best.mean_usd,
        "average_s": round(best.mean_s, 6),
        "tail_s": round(best.tail_s, 6),
        "usual_samples": usual.samples,
        "usual_success_rate": round(usual.rate, 4),
        "usual_average_usd": usual.mean_usd,
        "usual_average_s": round(usual.mean_s, 6),
        "models": len(records),
    }
    return Part(name, round(confidence, 4), reasoning, evidence, improvement, source="learned")


def _untried(best: Record, records: Iterable[Record], allowed: tuple[str, ...]) -> str | None:
    own = rank(best.model)
    judged = tuple(record.model for record in records)
    smaller = [
        (-size, place, name)
        for place, name in enumerate(allowed)
        if own is not None and (size := rank(name)) is not None and size < own and same(name, judged) is None
    ]
    return min(smaller)[2] if smaller else None


def by_kind(
    action: str,
    pace: Pace,
    models: Models,
    samples: int = 0,
    failing: Mapping[str, Outcomes] = MappingProxyType({}),
    *,
    is_named: bool = True,
) -> Part[str]:
    """Choose by the kind of work and the pace of the process, for a node that is not known well enough.

    Args:
        action: what is about to be done.
        pace: of the last five minutes.
        models: which may be chosen.
        samples: requests to one model that were seen at the node all the same.
        failing: what came of the models that were seen to fail there.
        is_named: whether it is known which node it is.
    """
    work = work_of(action)
    evidence: dict[str, float | int] = {"samples": samples, "needed_samples": MIN_SAMPLES}
    if work is Work.SIMPLE:
        source, why = "simple", "This is a simple action"
    elif work is Work.COMPLEX:
        source, why = "complex", "This is work to think about"
    else:
        evidence["requests_5min"], evidence["average_s_5min"] = pace.requests, round(pace.average_s, 3)
        if pace.is_above(SLOW_S):
            source, why = "slow", f"Requests took {pace.average_s:.1f} s on average in the last 5 minutes"
        elif pace.requests:
            source, why = "otherwise", f"Requests took {pace.average_s:.1f} s on average, so quality comes first"
        else:
            source, why = "otherwise", "Nothing speaks against quality first"
    size, confidence = _PRIORS[source]
    name = concrete(size, models.usual, models.allowed, models.known)
    if name is None:
        listed = "of the models allowed" if models.allowed else f"beside {models.usual}"
        return abstain(f"no {size.name.lower()} model is known {listed}", evidence)
    failed = next((outcomes for model, outcomes in failing.items() if same(model, (name,)) is not None), None)
    if failed is not None:
        ended = failed.successes + failed.failures
        return abstain(
            f"{name} would be taken for this kind of work, and {failed.failures / ended:.0%} of {failed.samples} requests "
            "to it failed at this step",
            {**evidence, "failures": round(failed.failures, 2)},
        )
    known = "this step was never seen before"
    if samples:
        known = f"this step was seen {samples} of {MIN_SAMPLES} times"
    elif not is_named:
        known = "which step it is was not said"
    return Part(name, confidence, f"{why} and {known}: take {name}.", evidence, source=source, is_prior=True)
