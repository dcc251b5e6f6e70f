"""The whole of an advice from its parts."""

from __future__ import annotations

from typing import Any

from otel_agentperf.advice.results import Advice, Batches, CacheUse, Improvement, Part, Pressure, Remaining, abstain
from otel_agentperf.model import SavingBasis

_SURENESS = (SavingBasis.ESTIMATED, SavingBasis.REPRICED, SavingBasis.MEASURED)
"""The bases from the least sure one up."""


def combine(
    model: Part[str],
    timeout_s: Part[float],
    parallel: Part[Batches],
    cache: Part[CacheUse],
    resources: Part[Pressure],
    forecast: Part[Remaining],
) -> Advice:
    """Put six parts together; `Advice` says by which formulas."""
    told = 0
    sureness = 0.0
    time_s: float | None = None
    cost_usd: float | None = None
    basis = SavingBasis.MEASURED
    for part in (model, timeout_s, parallel, cache, resources, forecast):
        if part.value is None:
            continue
        told += 1
        sureness += part.confidence
        found = part.improvement
        if found is None:
            continue
        if found.time_s is not None and (time_s is None or found.time_s > time_s):
            time_s = found.time_s
        if found.cost_usd is not None and (cost_usd is None or found.cost_usd > cost_usd):
            cost_usd = found.cost_usd
        basis = min(basis, found.basis, key=_SURENESS.index)
    improvement = None if time_s is None and cost_usd is None else Improvement(basis, time_s, cost_usd)
    confidence = round(sureness / told, 4) if told else 0.0
    evidence = {"parts": told}
    reasoning = _said(model, timeout_s, parallel, cache, resources)
    return Advice(model, timeout_s, parallel, cache, resources, forecast, confidence, improvement, reasoning, evidence)


_CACHED = {
    CacheUse.REUSE: "reuse the result",
    CacheUse.PREFIX: "keep what stays the same at the beginning of the prompt",
    CacheUse.CONTEXT: "make a context cache of the beginning",
}


def _said(
    model: Part[str],
    timeout_s: Part[float],
    parallel: Part[Batches],
    cache: Part[CacheUse],
    resources: Part[Pressure],
) -> str:
    """What to do, in one sentence; why, each part says."""
    told: list[str] = []
    if model.value is not None:
        told.append(f"take {model.value}")
    if timeout_s.value is not None:
        told.append(f"wait {timeout_s.value:g} s at most")
    if parallel.value is not None and len(parallel.value[0]) > 1:
        told.append(f"run {len(parallel.value[0])} steps at once")
    if cache.value is not None and cache.value in _CACHED:
        told.append(_CACHED[cache.value])
    if resources.value is Pressure.HOLD_BACK:
        told.append("start no more at once")
    if not told:
        return "There is not enough data for any advice."
    said = ", ".join(told)
    return f"{said[0].upper()}{said[1:]}."


def nothing(reason: str) -> Advice:
    """An advice that abstains in every part, for one reason."""
    part: Part[Any] = abstain(reason)
    return Advice(part, part, part, part, part, part, reasoning=reason)
