"""All rules, in the order in which they are listed and run; see `base` for what a rule is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from otel_agentperf.config import wrong
from otel_agentperf.rules.base import Rule
from otel_agentperf.rules.caching.cache001_uncached_prefix import UncachedPrefix
from otel_agentperf.rules.caching.cache002_cacheable_tool import CacheableTool
from otel_agentperf.rules.context_growth.ctx001_growing_context import GrowingContext
from otel_agentperf.rules.context_growth.ctx002_oversized_tool_output import OversizedToolOutput
from otel_agentperf.rules.cost.cost001_session_over_budget import SessionOverBudget
from otel_agentperf.rules.cost.cost003_thinking_dominates import ThinkingDominates
from otel_agentperf.rules.cost.cost004_long_context_surcharge import LongContextSurcharge
from otel_agentperf.rules.cost.cost005_paid_for_nothing import PaidForNothing
from otel_agentperf.rules.cost.cost006_unpriced_model import UnpricedModel
from otel_agentperf.rules.cost.cost007_grounding_dominates import GroundingDominates
from otel_agentperf.rules.cost.cost010_cost_regression import CostRegression
from otel_agentperf.rules.cost.cost011_budget_forecast import BudgetForecast
from otel_agentperf.rules.failures.err001_failing_agent import FailingAgent
from otel_agentperf.rules.failures.err002_retry_storm import RetryStorm
from otel_agentperf.rules.failures.err003_truncated_output import TruncatedOutput
from otel_agentperf.rules.failures.err004_failing_tool import FailingTool
from otel_agentperf.rules.latency.lat001_slow_agent import SlowAgent
from otel_agentperf.rules.latency.lat002_slow_first_token import SlowFirstToken
from otel_agentperf.rules.latency.lat003_bottleneck import Bottleneck
from otel_agentperf.rules.latency.lat004_idle_time import IdleTime
from otel_agentperf.rules.latency.lat005_straggler import Straggler
from otel_agentperf.rules.latency.lat010_latency_regression import LatencyRegression
from otel_agentperf.rules.latency.lat011_deadline_forecast import DeadlineForecast
from otel_agentperf.rules.model_choice.cost002_dear_model_for_simple_work import DearModelForSimpleWork
from otel_agentperf.rules.parallelism.par001_serial_independent_calls import SerialIndependentCalls
from otel_agentperf.rules.repetition.rep001_repeated_action import RepeatedAction
from otel_agentperf.rules.repetition.rep002_repeated_prompt import RepeatedPrompt
from otel_agentperf.rules.repetition.rep003_node_cycle import NodeCycle
from otel_agentperf.rules.repetition.rep004_batchable_calls import BatchableCalls
from otel_agentperf.rules.resources.res001_cpu_starved import CpuStarved
from otel_agentperf.rules.resources.res002_memory_pressure import MemoryPressure
from otel_agentperf.rules.resources.res003_event_loop_blocked import EventLoopBlocked
from otel_agentperf.rules.resources.res004_descriptor_leak import DescriptorLeak

AnyRule = Rule[Any]
RULES: tuple[type[AnyRule], ...] = (
    SessionOverBudget,
    DearModelForSimpleWork,
    ThinkingDominates,
    LongContextSurcharge,
    PaidForNothing,
    UnpricedModel,
    GroundingDominates,
    CostRegression,
    BudgetForecast,
    SlowAgent,
    SlowFirstToken,
    Bottleneck,
    IdleTime,
    Straggler,
    LatencyRegression,
    DeadlineForecast,
    RepeatedAction,
    RepeatedPrompt,
    NodeCycle,
    BatchableCalls,
    UncachedPrefix,
    CacheableTool,
    SerialIndependentCalls,
    GrowingContext,
    OversizedToolOutput,
    CpuStarved,
    MemoryPressure,
    EventLoopBlocked,
    DescriptorLeak,
    FailingAgent,
    RetryStorm,
    TruncatedOutput,
    FailingTool,
)


def make_rules(
    tables: Mapping[str, Any],
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    extra: tuple[type[AnyRule], ...] = (),
) -> tuple[AnyRule, ...]:
    """Build the rules that the settings ask for.

    Args:
        tables: options by rule code, as in `[rules.LAT001]` of the settings file.
        select: codes or groups to run; empty runs all.
        ignore: codes or groups to leave out.
        extra: further rules, from the entry-point group `otel_agentperf_rules`.

    Returns:
        The rules in their order.

    Raises:
        SettingsError: a code, group, option or value is unknown or not allowed.
    """
    classes = (*RULES, *extra)
    codes = {rule.code: rule for rule in classes}
    names = [*codes, *sorted({rule.group.value for rule in classes})]
    for key, chosen in (("AGENTPERF_RULES_SELECT", select), ("AGENTPERF_RULES_IGNORE", ignore)):
        for name in chosen:
            if name not in names:
                raise wrong(key, name, ", ".join(names))
    for code, table in tables.items():
        if code not in codes:
            raise wrong(f"[rules.{code}]", table, ", ".join(codes))
    return tuple(
        rule(_options(rule, tables.get(rule.code, {})))
        for rule in classes
        if (not select or rule.code in select or rule.group in select)
        and rule.code not in ignore
        and rule.group not in ignore
    )


def _options(rule: type[AnyRule], table: object) -> dict[str, float | int]:
    if not isinstance(table, Mapping):
        raise wrong(f"[rules.{rule.code}]", table, "a table of options")
    options: dict[str, float | int] = {}
    for name, value in cast("Mapping[str, object]", table).items():
        key = f"[rules.{rule.code}] {name}"
        option = rule.options.get(name)
        if option is None:
            raise wrong(key, value, ", ".join(rule.options) or "no options")
        allowed = f"a {'whole ' if isinstance(option.default, int) else ''}number from {option.minimum:g} to {option.maximum:g}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise wrong(key, value, allowed)
        if isinstance(option.default, int) and not isinstance(value, int):
            raise wrong(key, value, allowed)
        if not option.minimum <= value <= option.maximum:
            raise wrong(key, value, allowed)
        options[name] = value
    return options
