"""How long to wait for a step before giving it up.

From the tail of its past, of what succeeded in the days that are kept:

    tail   the 99th percentile; where the slowest weighs more than that leaves, as it does among fewer than 100
           steps, the slowest but one: the quantile at min(0.99, 1 - share of the slowest)
    limit  max(1 s, MARGIN x tail, ABOVE_SLOWEST x the slowest of those up to FAR x tail)

A single success after a hang of ten minutes would otherwise make the limit eleven, for as long as its day is
kept, and no limit is of use then. What took longer than `FAR` times the tail therefore does not count: one in a hundred
at most, or one step (or older ones that took the same time and weigh no more together than one of today). Of the rest,
none would have been cut off. A hang that is not so rare is part of the tail, and counts. The factors are ours: waiting
for what took more than `FAR` times the tail would at least double the limit. Confidence is n / (n + 10) for n past steps.

A limit is for the whole step, and may be a second. As `http_options.timeout` of a Gemini request it has to be at least 10 s:
google-genai tells the server of it (`X-Server-Timeout`), which refuses less.

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
FAR = 3.0
LEAST_S = 1.0
DEFAULT_S = 30.0
SLOW_S, SLOW_FACTOR = 5.0, 1.5
FAST_S, FAST_FACTOR = 1.0, 0.7
DEFAULT_CONFIDENCE = 0.5
_HALF_SURE_AT = 10
_LAST_DIGIT = 1e-9


def learned(duration: Normal | None) -> Part[float] | None:
    """The limit from the past, `None` where that is too short.

    Args:
        duration: of the step, in seconds, of those that succeeded.
    """
    if duration is None or duration.samples < MIN_SAMPLES:
        return None
    samples, slowest_s = duration.samples, duration.quantile(1.0)
    share = min(TAIL, _without_a_stray(duration, slowest_s))
    tail_s = duration.quantile(share)
    near = duration.share_below(FAR * tail_s)
    near_s = duration.quantile(near)
    limit_s = max(LEAST_S, MARGIN * tail_s, ABOVE_SLOWEST * near_s)
    said = f"{share:.0%} of {samples} such steps took up to {tail_s:.3g} s, the slowest {slowest_s:.3g} s"
    if near < 1:
        said += f", which is left out: it is more than {FAR:g} times that"
    return Part(
        round(limit_s, 1 if limit_s >= 10 else 2),  # noqa: PLR2004 - three digits tell enough
        round(samples / (samples + _HALF_SURE_AT), 4),
        f"{said}.",
        {
            "samples": samples,
            "tail_s": round(tail_s, 6),
            "slowest_counted_s": round(near_s, 6),
            "slowest_s": round(slowest_s, 6),
        },
        source="learned",
    )


def _without_a_stray(duration: Normal, slowest_s: float) -> float:
    """The share of all but the slowest; 1 where that is more than a single step can weigh."""
    stray = 2 * (1 - duration.share_below(slowest_s))  # those equal to it count half
    return 1 - stray if stray * duration.weight <= 1 + _LAST_DIGIT else 1.0


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
