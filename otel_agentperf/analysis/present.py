"""Makes the figures of a breakdown, in the form in which they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal

from otel_agentperf.analysis.breakdown import NS_PER_S, Breakdown, Line, Opportunity, usd_of
from otel_agentperf.analysis.figures import (
    DEFAULT_THRESHOLD,
    Bottleneck,
    Calls,
    CheaperModels,
    Costs,
    Figures,
    Finding,
    Part,
    ResourceUse,
    Saving,
    Tokens,
)
from otel_agentperf.analysis.resources import Used
from otel_agentperf.analysis.savings import Saved
from otel_agentperf.analysis.scores import efficiency, not_scored, rating, rating_of
from otel_agentperf.analysis.split import estimated_of, split_of
from otel_agentperf.model import ZERO_USD, Level, Totals
from otel_agentperf.pricing.families import Size, rank

NO_AGENT = "(outside any agent)"
BOTTLENECK_SHARE = 0.05
"""The least share of the time at which an agent is listed as a bottleneck."""
MAX_BOTTLENECKS = 5
_USD_STEP = Decimal("1e-12")
_EXACT = Context(prec=40)
"""More digits than any sum of money has."""


def figures_of(
    breakdown: Breakdown,
    *,
    efficiency_score: int | None = None,
    could_save: Saved | None = None,
    session_savings: Saving | None = None,
    threshold: float = DEFAULT_THRESHOLD,
) -> Figures:
    """The figures of a breakdown.

    Args:
        breakdown: what to show.
        efficiency_score: the score that was given already, if one was.
        could_save: what could have been saved in all, where that was stated already.
        session_savings: of a run, what could have been saved in its whole session.
        threshold: the least impact, 0 to 1, that a suggestion is shown with in full.
    """
    totals, runs = breakdown.totals, breakdown.runs
    duration_ns = breakdown.duration_ns
    score, unscored = efficiency_score, not_scored(totals)
    if unscored is not None:
        score = None
    elif score is None:
        score = efficiency(
            _share(breakdown.wasted_pico, _pico(totals)),
            _share(breakdown.wasted_ns, duration_ns),
            _share(totals.errors, totals.operations),
        )
    shown_ns = breakdown.shown_ns
    findings = _findings(breakdown.opportunities.values(), threshold)
    shown = [finding for finding in findings if not finding.below_threshold]
    could = could_save or Saved(usd_of(breakdown.saved_pico), min(shown_ns, breakdown.saved_ns) / NS_PER_S)
    return Figures(
        runs=runs,
        success_rate=breakdown.successes / runs if runs else None,
        evaluation=breakdown.score_micro / 1e6 / breakdown.scored if breakdown.scored else None,
        duration_s=shown_ns / NS_PER_S,
        critical_path_s=min(shown_ns, breakdown.path_ns) / NS_PER_S,
        efficiency_score=score,
        rating=rating(totals),
        not_scored=unscored,
        costs=_costs(breakdown),
        tokens=_tokens(totals),
        calls=Calls(
            model=totals.inference_calls,
            embedding=totals.embedding_calls,
            tool=totals.tool_calls,
            service=totals.service_calls,
            unpriced=totals.unpriced_calls,
            errors=totals.errors,
            operations=totals.operations,
            reported=totals.reported,
        ),
        savings=saving_of(could, Saved(usd_of(breakdown.wasted_pico), breakdown.wasted_ns / NS_PER_S)),
        cheaper_models=_cheaper(breakdown.models),
        agents=_parts(breakdown.agents, duration_ns, are_agents=True),
        models=_parts(breakdown.models, duration_ns),
        tools=_parts(breakdown.tools, duration_ns),
        services=_parts(breakdown.services, duration_ns),
        bottlenecks=_bottlenecks(breakdown.agents, duration_ns),
        suggestions=findings,
        by_cost=tuple(f.id for f in sorted(shown, key=lambda f: -(f.cost_usd or ZERO_USD)) if f.cost_usd),
        by_time=tuple(f.id for f in sorted(shown, key=lambda f: -(f.time_s or 0)) if f.time_s),
        left_out=breakdown.left_out,
        resources=_whole_use(breakdown),
        resources_by_agent=_use_by_agent(breakdown),
        session_savings=session_savings,
        threshold=threshold,
    )


def saving_of(whole: Saved, measured: Saved) -> Saving:
    """What could have been saved, divided by what that rests on.

    Args:
        whole: what all suggestions claim, each dollar and second once.
        measured: the same of those whose savings were measured; what it has beyond the whole does not count.
    """
    measured_usd, measured_s = min(whole.cost_usd, measured.cost_usd), min(whole.time_s, measured.time_s)
    return Saving(
        cost_usd=whole.cost_usd,
        time_s=whole.time_s,
        measured_cost_usd=measured_usd,
        measured_time_s=measured_s,
        estimated_cost_usd=whole.cost_usd - measured_usd,
        estimated_time_s=whole.time_s - measured_s,
    )


def _whole_use(breakdown: Breakdown) -> ResourceUse | None:
    used = breakdown.used
    return _use("", used.whole) if used is not None and used.whole.operations else None


def _use_by_agent(breakdown: Breakdown) -> tuple[ResourceUse, ...]:
    if breakdown.used is None:
        return ()
    uses = [_use(name, used) for name, used in breakdown.used.agents.items()]
    return tuple(sorted(uses, key=lambda each: (-(each.own_cpu_percent or 0.0), -each.blocked_s, each.name)))


def _use(name: str, used: Used) -> ResourceUse:
    has_cpu, has_memory = used.cpu_samples > 0, used.memory_samples > 0
    return ResourceUse(
        name=name,
        samples=used.samples,
        cpu_percent=_percent(used.cpu_sum, used.cpu_samples),
        cpu_percent_max=used.cpu_max / 100 if has_cpu else None,
        own_cpu_percent=_percent(used.own_cpu_sum, used.cpu_samples),
        cpu_spikes=used.cpu_spikes,
        memory_percent=_percent(used.memory_sum, used.memory_samples),
        memory_percent_max=used.memory_max / 100 if has_memory else None,
        memory_spikes=used.memory_spikes,
        memory_bytes_max=used.memory_bytes_max or None,
        memory_growth_bytes=used.memory_growth_bytes,
        open_files_max=used.open_files_max or None,
        threads_max=used.threads_max or None,
        blocked_s=used.blocked_ns / NS_PER_S,
    )


def _percent(hundredths: int, samples: int) -> float | None:
    return round(hundredths / 100 / samples, 2) if samples else None


def _pico(totals: Totals) -> float:
    return float(totals.cost_usd) * 1e12


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _costs(breakdown: Breakdown) -> Costs:
    totals = breakdown.totals
    if totals.known_cost_usd is None:
        return Costs(
            total_usd=None, models_usd=None, services_usd=None, cached_usd=None, wasted_usd=None, per_action_usd=None
        )
    services = usd_of(sum(line.cost_pico for line in breakdown.services.values()))
    services = min(services, totals.cost_usd)
    actions = totals.tool_calls
    return Costs(
        total_usd=totals.cost_usd,
        models_usd=totals.cost_usd - services,
        services_usd=services,
        cached_usd=totals.cache_read_usd,
        wasted_usd=usd_of(breakdown.wasted_pico),
        per_action_usd=_EXACT.quantize(_EXACT.divide(totals.cost_usd, actions), _USD_STEP) if actions else None,
        split=split_of(totals),
        estimated=estimated_of(totals),
    )


def _tokens(sums: Totals | Line) -> Tokens:
    return Tokens(
        input=sums.input_tokens,
        output=sums.output_tokens,
        cached=sums.cache_read_tokens,
        thoughts=sums.reasoning_tokens,
    )


def _parts(lines: Mapping[str, Line], duration_ns: int, *, are_agents: bool = False) -> tuple[Part, ...]:
    ordered = sorted(lines.items(), key=lambda item: (-item[1].cost_pico, -item[1].busy_ns, item[0]))
    return tuple(_part(name, line, duration_ns, is_agent=are_agents) for name, line in ordered)


def _part(name: str, line: Line, duration_ns: int, *, is_agent: bool) -> Part:
    cost_usd = usd_of(line.cost_pico)
    is_known = line.unpriced_calls < line.billed_calls
    judged = is_agent and line.calls > 0 and is_known
    return Part(
        name=name or (NO_AGENT if is_agent else "?"),
        calls=line.calls,
        errors=line.errors,
        success_rate=1 - line.errors / line.calls if line.calls else None,
        busy_s=line.busy_ns / NS_PER_S,
        path_share=_share(line.path_ns, duration_ns),
        cost_usd=cost_usd if is_known else None,
        grounding_usd=usd_of(line.grounding_pico) if is_known else None,
        unpriced_calls=line.unpriced_calls,
        tokens=_tokens(line),
        efficiency_score=_efficiency_of(line) if judged else None,
        rating=rating_of(cost_usd, line.billed_calls, line.unpriced_calls) if judged else None,
    )


def _efficiency_of(line: Line) -> int:
    return efficiency(
        _share(line.wasted_pico, line.cost_pico),
        _share(line.wasted_ns, line.busy_ns),
        _share(line.errors, line.calls),
    )


def _cheaper(models: Mapping[str, Line]) -> CheaperModels:
    ranked = [(line.calls, size) for name, line in models.items() if (size := rank(name)) is not None]
    total = sum(calls for calls, _ in ranked)
    calls = sum(calls for calls, size in ranked if size < Size.PRO)
    return CheaperModels(calls=calls, ranked_calls=total, share=calls / total if total else None)


def _bottlenecks(agents: Mapping[str, Line], duration_ns: int) -> tuple[Bottleneck, ...]:
    listed = [
        Bottleneck(agent=name or NO_AGENT, path_s=line.path_ns / NS_PER_S, share=_share(line.path_ns, duration_ns))
        for name, line in agents.items()
        if duration_ns and line.path_ns / duration_ns >= BOTTLENECK_SHARE
    ]
    return tuple(sorted(listed, key=lambda item: (-item.path_s, item.agent))[:MAX_BOTTLENECKS])


def _findings(opportunities: Iterable[Opportunity], threshold: float) -> tuple[Finding, ...]:
    ordered = sorted(
        opportunities,
        key=lambda item: (
            item.suggestion.impact_score < threshold,
            item.suggestion.level is not Level.ALARM,
            -item.suggestion.impact_score,
            -(item.cost_pico or 0),
            -(item.time_ns or 0),
            item.suggestion.key,
        ),
    )
    return tuple(_finding(f"S{place}", item, threshold) for place, item in enumerate(ordered, 1))


def _finding(identity: str, opportunity: Opportunity, threshold: float) -> Finding:
    said = opportunity.suggestion
    return Finding(
        id=identity,
        rule=said.rule,
        type=said.type,
        level=said.level,
        description=said.description,
        impact_score=said.impact_score,
        complexity=said.complexity,
        confidence=said.confidence,
        applies_to=said.applies_to,
        span_ids=said.span_ids,
        evidence=said.evidence,
        basis=said.savings.basis if said.savings is not None else None,
        cost_usd=usd_of(opportunity.cost_pico) if opportunity.cost_pico is not None else None,
        time_s=opportunity.time_ns / NS_PER_S if opportunity.time_ns is not None else None,
        runs=opportunity.runs,
        extent=said.extent,
        run_cost_usd=usd_of(opportunity.run_cost_pico) if opportunity.run_cost_pico is not None else None,
        run_time_s=opportunity.run_time_ns / NS_PER_S if opportunity.run_time_ns is not None else None,
        below_threshold=said.impact_score < threshold,
    )
