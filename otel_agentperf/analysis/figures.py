"""The figures of a report, in the form in which they are shown and handed out.

Frozen, in seconds and US dollars, best first. Made from a breakdown, so that a run, a session,
an agent over many runs and a whole file have the same figures. The names of the fields are
those of the JSON form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from otel_agentperf.analysis.split import CostSplit, Estimated
from otel_agentperf.model import Complexity, Extent, Level, SavingBasis

DEFAULT_THRESHOLD = 0.5
"""The least impact of a suggestion that is shown in full, where no setting says otherwise."""


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
    """The part of the total that was measured as wasted."""
    per_action_usd: Decimal | None
    """The total by the number of tool executions and actions; none without any."""
    split: CostSplit | None = None
    """What the total went to."""
    estimated: Estimated | None = None
    """The part of the total that rests on an assumption; none where no part does."""


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """Money in US dollars and time in seconds that could have been saved, each counted once.

    At most what was spent. The measured and the estimated parts add up to the whole.
    """

    cost_usd: Decimal
    time_s: float
    measured_cost_usd: Decimal
    """Money that was spent for work done twice or lost."""
    measured_time_s: float
    """Time that was spent so."""
    estimated_cost_usd: Decimal
    """Money that was not measured as wasted, and that other suggestions expect to save."""
    estimated_time_s: float
    """Time that was not measured as wasted, and that other suggestions expect to save."""


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
    grounding_usd: Decimal | None
    """The part of `cost_usd` that grounding with Google Search or Google Maps took."""
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
    """Its place in the list."""
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
    """Money that following it would have saved in its extent."""
    time_s: float | None
    """Time that following it would have saved in its extent."""
    runs: int
    extent: Extent = Extent.RUN
    """What its numbers are about: a run, all runs of the session so far, or all runs of the service so far."""
    run_cost_usd: Decimal | None = None
    """The part of the money that is of the reported run; none where all is, or where many runs are reported."""
    run_time_s: float | None = None
    """The part of the time that is of the reported run; none where all is, or where many runs are reported."""
    below_threshold: bool = False
    """Whether its impact is below the threshold; such ones come last, and are shown apart."""


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
    """What following all suggestions would have saved of the reported runs: what two of them claim counts once."""
    cheaper_models: CheaperModels
    agents: tuple[Part, ...]
    models: tuple[Part, ...]
    tools: tuple[Part, ...]
    services: tuple[Part, ...]
    bottlenecks: tuple[Bottleneck, ...]
    suggestions: tuple[Finding, ...]
    """Alarms first, then by impact; those below the threshold come last."""
    by_cost: tuple[str, ...]
    """Ids of the suggestions from the threshold on that save money, the most first."""
    by_time: tuple[str, ...]
    """Ids of the suggestions from the threshold on that save time, the most first."""
    left_out: int
    """Operations that are in the sums and in no part: beyond the limit, or without a span at hand."""
    resources: ResourceUse | None = None
    """CPU and memory of the runs as a whole; none where nothing was sampled."""
    resources_by_agent: tuple[ResourceUse, ...] = ()
    """Those of each agent while it ran, the busiest first."""
    session_savings: Saving | None = None
    """Of a run: what the suggestions about its whole session would have saved in all runs of the session so far.

    None where there are none, or where all that they would save is of this run."""
    threshold: float = DEFAULT_THRESHOLD
    """The least impact that a suggestion is shown with in full (`AGENTPERF_OPTIMIZATION_THRESHOLD`)."""


def best(findings: Sequence[Finding], number: int) -> list[Finding]:
    """The findings to show first: alarms before notices, and of a level the first one of each rule before others.

    Args:
        findings: all of them in their order; those below the threshold are never chosen.
        number: how many to show.
    """
    shown = [each for each in findings if not each.below_threshold]
    chosen: list[Finding] = []
    for level in (Level.ALARM, Level.NOTICE):
        rules: set[str] = set()
        listed = [each for each in shown if each.level is level]
        of_each = [each for each in listed if each.rule not in rules and not rules.add(each.rule)]
        chosen += [*of_each, *(each for each in listed if each not in of_each)]
    return [each for each in shown if each in chosen[:number]]
