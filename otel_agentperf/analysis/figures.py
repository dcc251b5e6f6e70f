"""The figures of a report, in the form in which they are shown and handed out.

Frozen, in seconds and US dollars, best first. Made from a breakdown, so that a run, a session,
an agent over many runs and a whole file have the same figures. The names of the fields are
those of the JSON form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from otel_agentperf.analysis.breakdown import NS_PER_S, Breakdown, Line, Opportunity, usd_of
from otel_agentperf.analysis.scores import efficiency, rating, rating_of
from otel_agentperf.model import ZERO_USD, Complexity, Level, SavingBasis, Totals
from otel_agentperf.pricing.families import Size, rank

NO_AGENT = "(outside any agent)"
BOTTLENECK_SHARE = 0.05
"""The least share of the time at which an agent is listed as a bottleneck."""
MAX_BOTTLENECKS = 5
_USD_DIGITS = 12


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens. Cached ones are part of the input, thoughts part of the output."""

    input: int
    output: int
    cached: int
    thoughts: int


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """How much was called."""

    model: int
    embedding: int
    tool: int
    service: int
    unpriced: int
    """Billed calls whose price is unknown."""
    errors: int
    operations: int


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Where the money went, in US dollars. What could not be priced is in none of these."""

    total_usd: Decimal
    models_usd: Decimal
    services_usd: Decimal
    cached_usd: Decimal
    """The part of the models' cost that cached input took."""
    wasted_usd: Decimal
    """The part of the total that was measured as spent to no avail."""
    per_action_usd: Decimal | None
    """The total by the number of tool executions and actions; none without any."""


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """Money in US dollars and time in seconds."""

    cost_usd: Decimal
    time_s: float


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent, model, tool or service did."""

    name: str
    calls: int
    errors: int
    success_rate: float | None
    """The share of its calls without an error; none where it was never called itself."""
    busy_s: float
    """How long at least one of its calls was under way, run by run."""
    path_share: float
    """The share of the runs' time that it decided, being on the critical path; for agents."""
    cost_usd: Decimal | None
    """None where something was billed and nothing of it could be priced."""
    unpriced_calls: int
    tokens: Tokens
    efficiency_score: int | None
    """0 to 100, for agents."""
    rating: str | None
    """A to F by its cost, for agents."""


class CheaperModels(msgspec.Struct, frozen=True, kw_only=True):
    """How often a cheaper model of its family was asked, such as Flash rather than Pro."""

    calls: int
    ranked_calls: int
    """Calls of models whose name says what rank they have."""
    share: float | None


class Bottleneck(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that decided much of the time."""

    agent: str
    path_s: float
    share: float
    """Of the runs' time."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A suggestion, with what it amounts to in all runs in which it was made."""

    id: str
    """Its place in the order of impact: `S1` has the most."""
    rule: str
    type: str
    level: Level
    description: str
    impact_score: float
    complexity: Complexity
    confidence: float
    applies_to: tuple[str, ...]
    span_ids: tuple[str, ...]
    evidence: Mapping[str, float | int]
    basis: SavingBasis | None
    """What the savings rest on."""
    cost_usd: Decimal | None
    """Money that following it would have saved."""
    time_s: float | None
    """Time that following it would have saved."""
    runs: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one or many runs amount to."""

    runs: int
    success_rate: float | None
    """The share of runs without an error, unless `outcome` or an evaluation said otherwise."""
    evaluation: float | None
    """The mean of the evaluation results, where there are any."""
    duration_s: float
    critical_path_s: float
    """The time in which an agent on the critical path ran; the rest was waited or spent between agents."""
    efficiency_score: int
    rating: str | None
    costs: Costs
    tokens: Tokens
    calls: Calls
    savings: Saving
    """What following all suggestions would have saved: what two of them claim counts once."""
    cheaper_models: CheaperModels
    agents: tuple[Part, ...]
    models: tuple[Part, ...]
    tools: tuple[Part, ...]
    services: tuple[Part, ...]
    bottlenecks: tuple[Bottleneck, ...]
    suggestions: tuple[Finding, ...]
    """Those with the most impact first."""
    by_cost: tuple[str, ...]
    """Ids of the suggestions that save money, the most first."""
    by_time: tuple[str, ...]
    """Ids of the suggestions that save time, the most first."""
    left_out: int
    """Operations that are in the sums and in no part: beyond the limit, or without a span at hand."""


def figures_of(breakdown: Breakdown, *, efficiency_score: int | None = None, savings: Saving | None = None) -> Figures:
    """The figures of a breakdown.

    Args:
        breakdown: what to show.
        efficiency_score: the score that was given already, if one was.
        savings: the savings that were stated already, if any were.
    """
    totals, runs = breakdown.totals, breakdown.runs
    duration_ns = breakdown.duration_ns
    score = efficiency(
        _share(breakdown.wasted_pico, _pico(totals)),
        _share(breakdown.wasted_ns, duration_ns),
        _share(totals.errors, totals.operations),
    )
    findings = _findings(breakdown.opportunities.values())
    return Figures(
        runs=runs,
        success_rate=breakdown.successes / runs if runs else None,
        evaluation=breakdown.score_micro / 1e6 / breakdown.scored if breakdown.scored else None,
        duration_s=duration_ns / NS_PER_S,
        critical_path_s=breakdown.path_ns / NS_PER_S,
        efficiency_score=score if efficiency_score is None else efficiency_score,
        rating=rating(totals),
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
        ),
        savings=savings or Saving(cost_usd=usd_of(breakdown.saved_pico), time_s=breakdown.saved_ns / NS_PER_S),
        cheaper_models=_cheaper(breakdown.models),
        agents=_parts(breakdown.agents, duration_ns, are_agents=True),
        models=_parts(breakdown.models, duration_ns),
        tools=_parts(breakdown.tools, duration_ns),
        services=_parts(breakdown.services, duration_ns),
        bottlenecks=_bottlenecks(breakdown.agents, duration_ns),
        suggestions=findings,
        by_cost=tuple(f.id for f in sorted(findings, key=lambda f: -(f.cost_usd or ZERO_USD)) if f.cost_usd),
        by_time=tuple(f.id for f in sorted(findings, key=lambda f: -(f.time_s or 0)) if f.time_s),
        left_out=breakdown.left_out,
    )


def _pico(totals: Totals) -> float:
    return float(totals.cost_usd) * 1e12


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _costs(breakdown: Breakdown) -> Costs:
    totals = breakdown.totals
    services = usd_of(sum(line.cost_pico for line in breakdown.services.values()))
    services = min(services, totals.cost_usd)
    actions = totals.tool_calls
    return Costs(
        total_usd=totals.cost_usd,
        models_usd=totals.cost_usd - services,
        services_usd=services,
        cached_usd=totals.cache_read_usd,
        wasted_usd=usd_of(breakdown.wasted_pico),
        per_action_usd=round(totals.cost_usd / actions, _USD_DIGITS) if actions else None,
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
    is_known = line.billed_calls == 0 or line.unpriced_calls < line.billed_calls
    judged = is_agent and line.calls > 0
    return Part(
        name=name or (NO_AGENT if is_agent else "?"),
        calls=line.calls,
        errors=line.errors,
        success_rate=1 - line.errors / line.calls if line.calls else None,
        busy_s=line.busy_ns / NS_PER_S,
        path_share=_share(line.path_ns, duration_ns),
        cost_usd=cost_usd if is_known else None,
        unpriced_calls=line.unpriced_calls,
        tokens=_tokens(line),
        efficiency_score=_efficiency_of(line) if judged else None,
        rating=rating_of(cost_usd, line.billed_calls, line.unpriced_calls) if judged and line.billed_calls else None,
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


def _findings(opportunities: Iterable[Opportunity]) -> tuple[Finding, ...]:
    ordered = sorted(
        opportunities,
        key=lambda item: (-item.suggestion.impact_score, -(item.cost_pico or 0), item.suggestion.key),
    )
    return tuple(_finding(f"S{place}", item) for place, item in enumerate(ordered, 1))


def best(findings: Sequence[Finding], number: int) -> list[Finding]:
    """The findings to tell first: the weightiest of each rule, then whatever weighs most.

    Args:
        findings: all of them, the weightiest first.
        number: how many to tell.
    """
    rules: set[str] = set()
    of_each = [each for each in findings if each.rule not in rules and not rules.add(each.rule)]
    chosen = of_each[:number]
    chosen += [each for each in findings if each not in chosen][: number - len(chosen)]
    return [each for each in findings if each in chosen]


def _finding(identity: str, opportunity: Opportunity) -> Finding:
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
    )
