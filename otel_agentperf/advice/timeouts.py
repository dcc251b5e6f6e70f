"""How long to wait for a step before giving it up.

From the tail of its past: the 99th percentile of what succeeded, times `MARGIN`, and no less than
`ABOVE_SLOWEST` times the slowest that succeeded in the days that are kept, so that a limit never
cuts off what went well lately; at least a second. Confidence is n / (n + 10) for n past steps.

With fewer than `MIN_SAMPLES` of them: 30 s, times 1.5 where the requests of the last five minutes
took more than 5 s on average, times 0.7 where less than 1 s: the rule of the system's users.
"""

from __future__ import annotations

from otel_agentperf.advice.facts import Pace
from otel_agentperf.advice.results import Part
from otel_agentperf.baselines.normals import Normal

MIN_SAMPLES = 20
TAIL = 0.99
MARGIN = 1.5
ABOVE_SLOWEST = 1.1
LEAST_S = 1.0
DEFAULT_S = 30.0
SLOW_S, SLOW_FACTOR = 5.0, 1.5
FAST_S, FAST_FACTOR = 1.0, 0.7
DEFAULT_CONFIDENCE = 0.5
_HALF_SURE_AT = 10


def learned(duration: Normal | None) -> Part[float] | None:
    """The limit from the past, `None` where that is too short.

    Args:
        duration: of the step, in seconds, of those that succeeded.
    """
    if duration is None or duration.samples < MIN_SAMPLES:
        return None
    tail_s, slowest_s = duration.quantile(TAIL), duration.quantile(1.0)
    limit_s = max(LEAST_S, MARGIN * tail_s, ABOVE_SLOWEST * slowest_s)
    samples = duration.samples
    return Part(
        round(limit_s, 1 if limit_s >= 10 else 2),  # noqa: PLR2004 - three digits tell enough
        round(samples / (samples + _HALF_SURE_AT), 4),
        f"99 % of {samples} such steps took up to {tail_s:.3g} s, the slowest {slowest_s:.3g} s.",
        {"samples": samples, "tail_s": round(tail_s, 6), "slowest_s": round(slowest_s, 6)},
        source="learned",
    )


def by_pace(pace: Pace, samples: int = 0) -> Part[float]:
    """The limit without a past.

    Args:
        pace: of the last five minutes.
        samples: past steps all the same.
    """
    limit_s, why = DEFAULT_S, "too little is known of this step"
    if pace.is_above(SLOW_S):
        limit_s *= SLOW_FACTOR
        why += f", and requests took {pace.average_s:.1f} s on average in the last 5 minutes"
    elif pace.is_below(FAST_S):
        limit_s *= FAST_FACTOR
        why += f", and requests took only {pace.average_s:.2f} s on average in the last 5 minutes"
    evidence: dict[str, float | int] = {
        "samples": samples,
        "needed_samples": MIN_SAMPLES,
        "requests_5min": pace.requests,
        "average_s_5min": round(pace.average_s, 3),
    }
    said = f"{limit_s:g} s, since {why}."
    return Part(limit_s, DEFAULT_CONFIDENCE, said, evidence, source="default", is_prior=True)
