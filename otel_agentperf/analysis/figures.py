"""The figures of a report, in the form in which they are shown and handed out.

Frozen, in seconds and US dollars, best first. Made from a breakdown, so that a run, a session,
an agent over many runs and a whole file have the same figures. The names of the fields are
those of the JSON form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from otel_agentperf.model import Complexity, Level, SavingBasis


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
    """An exception that ended several operations is one, at the deepest of them."""
    operations: int
    reported: int = 0
    """Agents and graphs of which only their own span reports usage: it stands for requests that have no span."""

    @property
    def billed(self) -> int:
        """Requests, services and reports of usage: all that may have a price."""
        return self.model + self.embedding + self.service + self.reported


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Where the money went, in US dollars.

    What could not be priced is in none of these; where nothing was billed that could be, none is known.
    """

    total_usd: Decimal | None
    models_usd: Decimal | None
    services_usd: Decimal | None
    cached_usd: Decimal | None
    """The part of the models' cost that cached input took."""
    wasted_usd: Decimal | None
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
    """None where nothing was billed that could be priced."""
    unpriced_calls: int
    tokens: Tokens
    efficiency_score: int | None
    """0 to 100, for agents of whose work something was billed and priced."""
    rating: str | None
    """A to F by its cost, for these agents."""


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


class ResourceUse(msgspec.Struct, frozen=True, kw_only=True):
    """What was in use of the host, or of what a container may use, while a run or an agent ran.

    By samples taken meanwhile: whoever else ran then is in it. `null` where it was not sampled.
    """

    name: str
    """The agent's; empty for the runs as a whole."""
    samples: int
    cpu_percent: float | None
    """Average of all cores in use, by whomever."""
    cpu_percent_max: float | None
    own_cpu_percent: float | None
    """The average part of it that this process used."""
    cpu_spikes: int
    """Samples above 80 %."""
    memory_percent: float | None
    """Average of the memory in use, by whomever."""
    memory_percent_max: float | None
    memory_spikes: int
    """Samples above 85 %."""
    memory_bytes_max: int | None
    """The most physical memory that the process held."""
    memory_growth_bytes: int
    """What the process held more of it at the ends than at the beginnings."""
    open_files_max: int | None
    threads_max: int | None
    blocked_s: float
    """How long its own code kept an event loop from going on."""


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
    efficiency_score: int | None
    """0 to 100; none where no model call was seen or nothing of it could be priced."""
    rating: str | None
    """A to F by the cost; none where that is unknown, or where no model call was seen."""
    not_scored: str | None
    """Why there is neither a rating nor a score, such as `no model call was seen`; none where there is a score."""
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
    resources: ResourceUse | None = None
    """CPU and memory of the runs as a whole; none where nothing was sampled."""
    resources_by_agent: tuple[ResourceUse, ...] = ()
    """Those of each agent while it ran, the busiest first."""


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
