"""What the rest of the run will take, from the totals of finished runs of the same graph.

The intervals are those of `baselines.forecast`, which states why they cover what they claim.
Confidence is their coverage.
"""

from __future__ import annotations

from otel_agentperf.advice.facts import Progress
from otel_agentperf.advice.results import Interval, Part, Remaining, abstain, too_few
from otel_agentperf.baselines.forecast import COVERAGE, MIN_SAMPLES, Forecast, forecast
from otel_agentperf.baselines.normals import Normal


def decide(progress: Progress | None, time_s: Normal | None, cost_usd: Normal | None) -> Part[Remaining]:
    """Forecast the rest of the run.

    Args:
        progress: what it has taken so far; `None` outside of a run.
        time_s: the durations of finished runs of its graph.
        cost_usd: their costs.
    """
    if progress is None:
        return abstain("no run is under way here")
    samples = max((normal.samples for normal in (time_s, cost_usd) if normal is not None), default=0)
    if samples < MIN_SAMPLES:
        return too_few(samples, MIN_SAMPLES, "finished runs")
    of_time = forecast(time_s, progress.elapsed_s)
    of_cost = forecast(cost_usd, progress.cost_usd)
    rest = Remaining(_interval(of_time), _interval(of_cost), COVERAGE)
    evidence: dict[str, float | int] = {
        "finished_runs": samples,
        "elapsed_s": progress.elapsed_s,
        "cost_usd": progress.cost_usd,
    }
    if of_time is not None:
        evidence["longer_runs"] = of_time.samples
    if of_cost is not None:
        evidence["dearer_runs"] = of_cost.samples
    return Part(rest, COVERAGE, _said(rest, samples), evidence, source="forecast")


def _interval(found: Forecast | None) -> Interval | None:
    if found is None:
        return None
    return Interval(found.remaining_lower, found.remaining_median, found.remaining_upper)


def _said(rest: Remaining, samples: int) -> str:
    time_s, cost_usd = rest.time_s, rest.cost_usd
    seconds = "" if time_s is None else f"{time_s.lower:.3g} to {_most(time_s)} s"
    dollars = "" if cost_usd is None else f"{cost_usd.lower:.3g} to {_most(cost_usd)} US dollars"
    return f"By {samples} finished runs, {seconds}{' and ' if seconds and dollars else ''}{dollars} are still to come."


def _most(interval: Interval) -> str:
    return "any number of" if interval.upper is None else f"{interval.upper:.3g}"
