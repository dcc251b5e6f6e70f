"""Usage on the span of an agent or graph counts as far as no model request beneath covers it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf import semconv
from otel_agentperf.analysis.engine import Engine
from otel_agentperf.model import Operation, Totals
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.reading import runs_of
from otel_agentperf.reading.judge import priced
from tests.reading.spans import operation

PRICES = PriceBook()
MODEL = "gemini-2.5-flash"
AGENT = {semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: "a", semconv.PROVIDER_NAME: "gcp.gemini"}


def tokens(fresh: int, output: int, **more: int) -> dict[str, object]:
    return {semconv.USAGE_INPUT_TOKENS: fresh, semconv.USAGE_OUTPUT_TOKENS: output, **more}


def span(
    said: Mapping[str, object], span_id: str, parent: str | None, start: float = 0, end: float = 100, **more: Any
) -> Operation:
    return operation("x", said, span_id=span_id, parent_id=parent, start=start, end=end, **more)


def agent(
    fresh: int, output: int, span_id: str = "1", parent: str | None = None, model: str = MODEL, *, counted: bool = True
) -> Operation:
    said = {**AGENT, semconv.AGENT_NAME: f"a{span_id}", semconv.REQUEST_MODEL: model, **tokens(fresh, output)}
    return span(said if counted else {**said, semconv.COUNTED: False}, span_id, parent)


def asked(fresh: int, output: int, span_id: str, parent: str | None, scope: str = "sdk", **more: Any) -> Operation:
    said = {semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: MODEL, semconv.PROVIDER_NAME: "gcp.gemini"}
    return span({**said, **tokens(fresh, output)}, span_id, parent, scope=scope, **more)


def totals(*operations: Operation, others: tuple[Operation, ...] = ()) -> Totals:
    """The sums of all runs."""
    found = Totals()
    for run in runs_of(operations, others):
        engine = Engine(())
        root = priced(run.root, PRICES)
        alone = engine.begin(root.name, None, root.start_ns, alone=True)
        for one in run.operations:
            if one.span_id != root.span_id:
                engine.observe(alone, priced(one, PRICES))
        found.merge(engine.finish(alone, root)[0].totals)
    return found


def used(*operations: Operation, others: tuple[Operation, ...] = ()) -> tuple[int, int]:
    sums = totals(*operations, others=others)
    return sums.input_tokens, sums.output_tokens


CONVENTIONS: dict[str, tuple[dict[str, object], str]] = {
    "the GenAI conventions": ({**AGENT, semconv.REQUEST_MODEL: MODEL, **tokens(900, 70)}, "x"),
    "a workflow of the conventions": (
        {semconv.OPERATION_NAME: "invoke_workflow", semconv.REQUEST_MODEL: MODEL, **tokens(900, 70)},
        "x",
    ),
    "OpenInference's agent": (
        {
            "openinference.span.kind": "AGENT",
            "llm.model_name": MODEL,
            "llm.token_count.prompt": 900,
            "llm.token_count.completion": 70,
        },
        "x",
    ),
    "OpenInference's chain": (
        {
            "openinference.span.kind": "CHAIN",
            "llm.model_name": MODEL,
            "llm.token_count.prompt": 900,
            "llm.token_count.completion": 70,
        },
        "x",
    ),
    "Pydantic AI": ({"agent_name": "a", "model_name": MODEL, "final_result": "yes", **tokens(900, 70)}, "pydantic-ai"),
    "Pydantic AI's sum": (
        {
            **AGENT,
            semconv.REQUEST_MODEL: MODEL,
            "gen_ai.aggregated_usage.input_tokens": 900,
            "gen_ai.aggregated_usage.output_tokens": 70,
        },
        "pydantic-ai",
    ),
    "OpenLLMetry's agent": (
        {"traceloop.span.kind": "agent", "traceloop.entity.name": "a", semconv.REQUEST_MODEL: MODEL, **tokens(900, 70)},
        "x",
    ),
    "OpenLLMetry's workflow": (
        {
            "traceloop.span.kind": "workflow",
            "traceloop.entity.name": "a",
            semconv.REQUEST_MODEL: MODEL,
            "gen_ai.usage.prompt_tokens": 900,
            "gen_ai.usage.completion_tokens": 70,
        },
        "x",
    ),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_what_only_the_span_of_an_agent_reports_counts(convention: str) -> None:
    said, scope = CONVENTIONS[convention]
    sums = totals(span(said, "1", None, scope=scope))
    assert (sums.input_tokens, sums.output_tokens, sums.inference_calls, sums.reported) == (900, 70, 0, 1)
    assert sums.known_cost_usd == Decimal("0.000445")  # $0.30 and $2.50 a million


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_what_requests_beneath_an_agent_report_counts_once(convention: str) -> None:
    said, scope = CONVENTIONS[convention]
    sums = totals(span(said, "1", None, scope=scope), asked(500, 30, "2", "1"), asked(400, 40, "3", "1"))
    assert (sums.input_tokens, sums.output_tokens, sums.inference_calls, sums.reported) == (900, 70, 2, 0)


def test_a_stated_cost_counts_as_it_is_stated() -> None:
    said = {"openinference.span.kind": "AGENT", "llm.token_count.prompt": 4, "llm.token_count.completion": 767}
    sums = totals(span({**said, "llm.model_name": "claude-sonnet-4-6", "llm.cost.total": 0.0712653}, "1", None))
    assert (sums.known_cost_usd, sums.output_tokens, sums.unpriced_calls) == (Decimal("0.0712653"), 767, 0)


def test_a_cost_without_tokens_counts_where_nothing_beneath_has_any() -> None:
    said = {**AGENT, semconv.USAGE_COST: 0.25}
    assert totals(span(said, "1", None)).known_cost_usd == Decimal("0.25")
    assert totals(span(said, "1", None), asked(1000, 0, "2", "1")).known_cost_usd == Decimal("0.0003")


def test_tokens_without_a_known_model_have_no_known_price() -> None:
    sums = totals(span({**AGENT, **tokens(900, 70)}, "1", None))
    assert (sums.known_cost_usd, sums.unpriced_calls, sums.input_tokens) == (None, 1, 900)


def test_the_part_that_no_request_covers_counts_beside_those_that_are_there() -> None:
    sums = totals(agent(900, 70), asked(500, 30, "2", "1"))
    assert (sums.input_tokens, sums.output_tokens, sums.inference_calls, sums.reported) == (900, 70, 1, 1)
    assert sums.known_cost_usd == Decimal("0.000445")


def test_the_sum_of_many_requests_is_not_priced_as_one_long_request() -> None:
    said = {**AGENT, semconv.REQUEST_MODEL: "gemini-2.5-pro", **tokens(1_000_000, 0)}
    (run,) = runs_of([span(said, "1", None)])
    cost = priced(run.root, PRICES).cost
    assert cost is not None
    assert (cost.total_usd, cost.estimated) == (Decimal("1.25"), True)
    assert cost.assumption


def test_nested_agents_that_each_report_their_sum_count_once() -> None:
    outer, inner = agent(900, 70), agent(600, 50, "2", "1")
    assert used(outer, inner) == (900, 70)
    assert used(outer, inner, asked(600, 50, "3", "2")) == (900, 70)
    assert used(outer, inner, asked(600, 50, "3", "2"), asked(300, 20, "4", "1")) == (900, 70)


def test_agents_side_by_side_each_count_what_they_report() -> None:
    assert used(agent(10, 1, "1"), agent(20, 2, "2"), asked(20, 2, "3", "2")) == (30, 3)


def test_a_request_that_two_spans_report_covers_what_the_larger_of_them_says() -> None:
    framework = asked(900, 70, "2", "1", scope="framework")
    assert used(agent(900, 70), framework, asked(900, 40, "3", "2")) == (900, 40)
    beside = asked(900, 70, "3", "1", start=1, end=9)
    assert used(agent(900, 70), asked(900, 70, "2", "1", scope="framework", start=0, end=10), beside) == (900, 70)


def test_requests_in_another_process_cover_too() -> None:
    assert used(agent(900, 70), others=(asked(900, 70, "9", "1"),)) == (0, 0)
    assert used(agent(900, 70), others=(asked(500, 30, "9", "1"),)) == (400, 40)


def test_requests_that_a_framework_leaves_beside_its_agent_cover_too() -> None:
    web = span({}, "0", None)
    loose = asked(900, 70, "3", "0", start=10, end=20)
    assert used(web, agent(900, 70, "1", "0"), loose) == (900, 70)
    assert used(web, agent(900, 70, "1", "0", model="gpt-4o"), loose) == (1800, 140)
    assert used(web, agent(900, 70, "1", "0"), asked(900, 70, "3", "0", start=90, end=110)) == (1800, 140)


def test_an_agent_that_is_marked_as_counted_elsewhere_adds_nothing() -> None:
    assert used(agent(900, 70, counted=False), asked(500, 30, "2", "1")) == (500, 30)


def test_agents_that_are_each_others_parents_do_no_harm() -> None:
    assert used(agent(9, 1, "1", "2"), agent(9, 1, "2", "1")) in {(9, 1), (18, 2)}


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=5),
    st.integers(0, 3_000),
    st.integers(0, 3_000),
    st.randoms(use_true_random=False),
)
def test_all_that_any_span_reports_counts_once_in_any_order(
    requests: list[tuple[int, int]], fresh: int, output: int, random: Random
) -> None:
    beneath = [asked(a, b, f"{n + 10:x}", "1", start=n, end=n + 0.5) for n, (a, b) in enumerate(requests)]
    spans = [agent(fresh, output), *beneath]
    random.shuffle(spans)
    covered = (sum(a for a, _ in requests), sum(b for _, b in requests))
    assert used(*spans) == (max(fresh, covered[0]), max(output, covered[1]))
