"""Rules over a session or the process: one state that saw all, and states of single runs merged, judge alike."""

from __future__ import annotations

import pickle
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.analysis.fold import Fold, digest
from otel_agentperf.baselines.normals import Measure
from otel_agentperf.model import (
    Cost,
    CostStatus,
    Extent,
    Inference,
    Operation,
    OperationKind,
    Resources,
    ServiceTier,
    Suggestion,
    ToolCall,
    Usage,
)
from otel_agentperf.rules import RULES, make_rules
from otel_agentperf.rules.base import Scope
from tests.normals import SameForAll
from tests.rules.operations import BEGIN_NS, PRICES, SECOND_NS

WIDE = [rule for rule in RULES if rule.scope is not Scope.RUN]
AGENTS = ("planner", "writer", "browser")
MODELS = ("gemini-2.5-pro", "gemini-2.5-flash", "gateway/large")
MINUTE_NS = 60 * SECOND_NS
NORMALS = SameForAll(
    {Measure.DURATION_S: [1.0, 5.0, 9.0] * 100, Measure.COST_USD: [0.0001, 0.001, 0.01] * 100},
)


class TracedRun(NamedTuple):
    operations: list[Operation]
    root: Operation


def easily_moved() -> dict[str, dict[str, float | int]]:
    """The least that every option asks for, so that the few operations of a test say much."""
    return {
        rule.code: {
            name: max(1, int(option.minimum)) if isinstance(option.default, int) else option.minimum
            for name, option in rule.options.items()
            if name.startswith("min_")
        }
        | ({"alpha": 0.25} if "alpha" in rule.options else {})
        for rule in WIDE
    }


RULES_UNDER_TEST = make_rules(easily_moved(), select=tuple(rule.code for rule in WIDE))


def inference(random: Random, span_id: str, start_ns: int, end_ns: int, links: list[str], **where: Any) -> Operation:
    model = random.choice(MODELS)
    thoughts = random.choice((0, 0, 3_000))
    usage = Usage(
        random.choice((100, 3_000, 40_000, 210_000)),
        thoughts + random.choice((20, 20, 1_000)),
        reasoning_tokens=thoughts,
        grounding_queries=random.choice((0, 0, 0, 2)),
    )
    chain = tuple(links[: random.randint(1, len(links))])
    tier = random.choice((ServiceTier.STANDARD, ServiceTier.STANDARD, ServiceTier.FLEX))
    return Operation(
        OperationKind.INFERENCE,
        model,
        span_id,
        start_ns,
        end_ns,
        error_type=random.choice((None, None, None, "429")),
        usage=usage,
        cost=PRICES.price("gcp.gemini", model, usage, tier, when_ns=start_ns),
        inference=Inference(
            provider="gcp.gemini",
            request_model=model,
            streamed=True,
            time_to_first_chunk_ns=random.choice((1, 9)) * SECOND_NS,
            finish_reasons=(random.choice(("STOP", "STOP", "MAX_TOKENS")),),
            request_hash=random.choice(links),
            prefix_hashes=chain,
            prefix_sizes=tuple(range(20_000, 20_000 * (len(chain) + 1), 20_000)),
            request_size=20_000 * len(chain),
            response_kind="text",
            function_calls=0,
        ),
        **where,
    )


def tool(random: Random, span_id: str, start_ns: int, end_ns: int, **where: Any) -> Operation:
    call = ToolCall(arguments_hash=random.choice("12"), result_hash=random.choice("12"), result_size=100_000)
    return Operation(
        OperationKind.TOOL,
        random.choice(("search", "read")),
        span_id,
        start_ns,
        end_ns,
        tool=call,
        error_type=random.choice((None, "ToolError")),
        cost=random.choice((None, Cost(CostStatus.PRICED, Decimal("0.01")))),
        **where,
    )


def a_run(random: Random, number: int) -> TracedRun:
    """Agents one after another, each with model requests and tools beneath it."""
    trace_id, root_id = format(number, "032x"), format(number, "08x") + "f" * 8
    now_ns = BEGIN_NS + random.randint(0, 5) * MINUTE_NS + number * SECOND_NS
    start_ns, operations = now_ns, list[Operation]()
    links = [format(random.randint(0, 3), "016x")] + [format(link, "016x") for link in range(100, 103)]
    ids = iter(format(number, "08x") + format(index, "08x") for index in range(1, 1_000))
    for _ in range(random.randint(1, 4)):
        agent, agent_id, began_ns = random.choice(AGENTS), next(ids), now_ns
        where: dict[str, Any] = {"parent_id": agent_id, "agent": agent, "trace_id": trace_id, "session_id": "s1"}
        for _ in range(random.randint(0, 4)):
            end_ns = now_ns + random.randint(1, 20) * SECOND_NS
            details = (random, next(ids), now_ns, end_ns)
            if random.random() < 2 / 3:
                operations.append(inference(*details, links, **where))
            else:
                operations.append(tool(*details, **where))
            now_ns = end_ns
        error = random.choice((None, None, "ValueError"))
        where |= {"parent_id": root_id}
        operations.append(
            Operation(
                OperationKind.NODE, agent, agent_id, began_ns, now_ns + 1, is_agent=True, error_type=error, **where
            )
        )
        now_ns += 2
    root = Operation(
        OperationKind.WORKFLOW,
        "graph",
        root_id,
        start_ns,
        now_ns,
        trace_id=trace_id,
        session_id="s1",
        resources=random.choice((None, resources(random, now_ns), resources(random, now_ns))),
    )
    return TracedRun(operations, root)


def resources(random: Random, now_ns: int) -> Resources:
    """More memory and files the later it is."""
    passed_s = (now_ns - BEGIN_NS) // SECOND_NS
    return Resources(
        samples=10,
        memory_percent=random.choice((50.0, 90.0)),
        memory_bytes=2**20 * passed_s,
        open_files=passed_s,
        open_files_limit=random.choice((None, 1_024, 2_048)),
    )


def said(suggestions: list[Suggestion]) -> dict[tuple[str, str], Suggestion]:
    """By key; what they are about is set by the engine and the fold, and is not compared."""
    return {suggestion.key: replace(suggestion, extent=Extent.RUN) for suggestion in suggestions}


def judged_live(runs: list[TracedRun], scope: Scope) -> dict[tuple[str, str], Suggestion]:
    """All runs at once, their operations in the order in which they ended."""
    engine = Engine(RULES_UNDER_TEST, on_error=fail, prices=PRICES, normals=NORMALS)
    opened = {run.root.span_id: engine.begin("graph", "s1", run.root.start_ns) for run in runs}
    ended = sorted(
        ((operation, run.root) for run in runs for operation in (*run.operations, run.root)),
        key=lambda item: (item[0].end_ns, item[0].span_id),
    )
    for operation, root in ended:
        if operation is root:
            engine.finish(opened[root.span_id], root)
        else:
            engine.observe(opened[root.span_id], operation)
    last = opened[runs[-1].root.span_id]
    states, view = engine.states(last), (last.session if scope is Scope.SESSION else last.process).view
    return said(
        [
            suggestion
            for rule in RULES_UNDER_TEST
            if rule.scope is scope and rule.code in states
            for suggestion in rule.judge(states[rule.code], view)
        ]
    )


def judged_apart(runs: list[TracedRun], scope: Scope) -> dict[tuple[str, str], Suggestion]:
    """Each run alone, joined in the order given."""
    fold = Fold(RULES_UNDER_TEST, scope, "s1" if scope is Scope.SESSION else "process", PRICES, normals=NORMALS)
    for operations, root in runs:
        engine = Engine(RULES_UNDER_TEST, on_error=fail, prices=PRICES, normals=NORMALS)
        run = engine.begin("graph", "s1", root.start_ns, alone=True)
        for operation in operations:
            engine.observe(run, operation)
        engine.finish(run, root)
        fold.add(pickle.loads(pickle.dumps(digest(engine, run))))  # noqa: S301 - our own
    return said(fold.judge())


def fail(site: str, error: Exception) -> None:
    raise AssertionError(site) from error


@pytest.mark.parametrize("scope", [Scope.SESSION, Scope.PROCESS])
@given(seed=st.integers(0, 2**32), number=st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_runs_merged_in_any_order_are_judged_as_one_state_that_saw_them_all(
    scope: Scope, seed: int, number: int
) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    runs = [a_run(random, index) for index in range(1, number + 1)]
    live = judged_live(runs, scope)
    random.shuffle(runs)
    assert judged_apart(runs, scope) == live


@pytest.mark.parametrize("rule", WIDE, ids=lambda rule: rule.code)
def test_the_runs_of_this_test_make_every_such_rule_speak(rule: Any) -> None:
    for seed in range(200):
        random = Random(seed)  # noqa: S311 - no secret
        runs = [a_run(random, index) for index in range(1, 6)]
        if any(key[0] == rule.code for key in judged_apart(runs, rule.scope)):
            return
    pytest.fail(f"{rule.code} never spoke")
