from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf import semconv
from otel_agentperf.reading import own, read
from tests.reading.test_genai import ANYTHING

HASH = "0123456789abcdef"
WHOLE = st.integers(0, 5_000)
USD = st.floats(0, 5) | st.just(0.0)
REQUESTS: dict[str, st.SearchStrategy[Any]] = {
    semconv.RESPONSE_MODEL: st.just("gemini-2.5-flash-001"),
    semconv.REQUEST_STREAM: st.booleans(),
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK: st.floats(0, 100),
    semconv.RESPONSE_FINISH_REASONS: st.just(["STOP"]) | st.just(("MAX_TOKENS", "STOP")),
    semconv.USAGE_INPUT_TOKENS: WHOLE,
    semconv.USAGE_OUTPUT_TOKENS: WHOLE,
    semconv.USAGE_CACHE_READ_TOKENS: WHOLE,
    semconv.USAGE_REASONING_TOKENS: WHOLE,
    semconv.USAGE_TOOL_USE_TOKENS: WHOLE,
    semconv.GROUNDING_QUERIES: WHOLE,
    semconv.MAPS_QUERIES: WHOLE,
    semconv.ENTERPRISE_QUERIES: WHOLE,
    semconv.SEARCH_CONTEXT_TOKENS: WHOLE,
    semconv.USAGE_CACHE_WRITE_TOKENS: WHOLE,
    semconv.USAGE_CACHE_WRITE_1H_TOKENS: WHOLE,
    semconv.USAGE_IMAGES: WHOLE,
    semconv.USAGE_MEDIA_S: st.floats(0, 100),
    semconv.USAGE_MEDIA_RESOLUTION: st.just("4k"),
    semconv.USAGE_ASSUMPTION: st.just("the answer is taken for an image"),
    semconv.CLOUD_REGION: st.sampled_from(["global", "europe-west4"]),
    semconv.SERVER_ADDRESS: st.sampled_from(["aiplatform.googleapis.com", "us-central1-aiplatform.googleapis.com"]),
    "gen_ai.usage.text.input_tokens": WHOLE,
    "gen_ai.usage.audio.cache_read.input_tokens": WHOLE,
    "gen_ai.usage.image.output_tokens": WHOLE,
    semconv.REQUEST_PREFIX_HASHES: st.lists(st.just(HASH), max_size=3),
    semconv.REQUEST_PREFIX_SIZES: st.lists(WHOLE, max_size=3),
    semconv.REQUEST_SIZE: WHOLE,
    semconv.REQUEST_USES: st.lists(st.just(HASH), max_size=2),
    semconv.RESPONSE_HASH: st.just(HASH),
    semconv.RESPONSE_KIND: st.sampled_from(["text", "function_call", "mixed", "blocked"]),
    semconv.RESPONSE_FUNCTION_CALLS: WHOLE,
    semconv.USAGE_COST: USD,
    semconv.COST_INPUT: USD,
    semconv.COST_CACHE_READ: USD,
    semconv.COST_OUTPUT: USD,
    semconv.COST_GROUNDING: USD,
    semconv.COST_REASONING: USD,
    semconv.COST_CACHE_WRITE: USD,
    semconv.COST_STORAGE: USD,
    semconv.COST_ASSUMPTION: st.just("the answer is taken for an image"),
    semconv.COST_TIER: st.sampled_from(["standard", "flex", "provisioned_throughput", "unheard of"]),
    semconv.COST_REASON: st.just("nobody knows"),
    semconv.COST_ESTIMATED: st.booleans(),
    semconv.AGENT_NAME: st.just("planner"),
}
ANYWHERE: dict[str, st.SearchStrategy[Any]] = {
    semconv.CONVERSATION_ID: st.just("T"),
    semconv.ERROR_TYPE: st.just("ValueError"),
    semconv.LANGGRAPH_OUTCOME: st.just("interrupted"),
    semconv.STREAM_ABANDONED: st.booleans(),
    semconv.COUNTED: st.booleans(),
}
TOOLS: dict[str, st.SearchStrategy[Any]] = {
    semconv.AGENT_NAME: st.sampled_from(["planner", "fetch"]),
    semconv.TOOL_ARGUMENTS_HASH: st.just(HASH),
    semconv.TOOL_ARGUMENT_IS_SENTENCE: st.booleans(),
    semconv.TOOL_CONTEXT_HASH: st.just(HASH),
    semconv.TOOL_RESULT_HASH: st.just(HASH),
    semconv.TOOL_ERROR_HASH: st.just(HASH),
    semconv.TOOL_RESULT_SIZE: WHOLE,
}
NODES: dict[str, st.SearchStrategy[Any]] = {
    semconv.LANGGRAPH_STEP: WHOLE,
    semconv.STATE_HASH: st.just(HASH),
    semconv.NODE_ATTEMPTS: WHOLE,
    semconv.NODE_COST: USD,
    semconv.NODE_INPUT_TOKENS: WHOLE,
}
RUNS: dict[str, st.SearchStrategy[Any]] = {
    semconv.RUN_COST: USD,
    semconv.RUN_EFFICIENCY_SCORE: WHOLE,
    semconv.RUN_RATING: st.sampled_from(["A", "F"]),
    semconv.RUN_CRITICAL_PATH: st.lists(st.just("plan"), max_size=2),
    semconv.RUN_SUCCESS: st.booleans(),
    semconv.RUN_SCORE: st.floats(-1, 1),
    semconv.RUN_SUGGESTIONS: WHOLE,
    semconv.RUN_INPUT_TOKENS: WHOLE,
    semconv.RUN_OUTPUT_TOKENS: WHOLE,
    semconv.RUN_INFERENCE_CALLS: WHOLE,
    semconv.RUN_TOOL_CALLS: WHOLE,
    semconv.RUN_UNPRICED_CALLS: WHOLE,
    semconv.RUN_ERRORS: WHOLE,
}
REQUEST = {
    semconv.REQUEST_MODEL: "gemini-2.5-flash",
    semconv.PROVIDER_NAME: "gcp.gemini",
    semconv.COST_STATUS: "priced",
    semconv.REQUEST_HASH: HASH,
}
TOOL = {semconv.TOOL_NAME: "fetch", semconv.TOOL_NO_ARGUMENTS: False}
SPANS: dict[str, tuple[dict[str, Any], dict[str, st.SearchStrategy[Any]]]] = {
    "generate_content": (REQUEST, REQUESTS),
    "interactions.create": (REQUEST, REQUESTS),
    "embeddings": (REQUEST, REQUESTS),
    "execute_tool": (TOOL, TOOLS),
    "execute_action": (TOOL, TOOLS),
    "invoke_node": ({semconv.NODE_NAME: "plan"}, NODES),
    "invoke_agent": ({semconv.AGENT_NAME: "planner"}, RUNS),
    "invoke_workflow": ({semconv.WORKFLOW_NAME: "research"}, RUNS),
}
"""What always stands on a span of ours, by its operation, and what may."""
ALWAYS = {semconv.OPERATION_NAME: "generate_content", **REQUEST}
OTHERS = (
    semconv.SESSION_ID,
    "gen_ai.workflow.nodes",
    "gen_ai.usage.cost.amount",
    "gen_ai.usage.cost.currency",
    "operation.cost",
    semconv.USAGE_COST,
    semconv.USAGE_INPUT_TOKENS,
    semconv.USAGE_OUTPUT_TOKENS,
    "gen_ai.aggregated_usage.input_tokens",
    "gen_ai.aggregated_usage.output_tokens",
    "traceloop.span.kind",
    "traceloop.workflow.name",
    "traceloop.association.properties.thread_id",
)
"""What others may have written on it."""


@st.composite
def written(draw: st.DrawFn) -> dict[str, Any]:
    """The attributes of a span of ours."""
    operation = draw(st.sampled_from(sorted(SPANS)))
    always, optional = SPANS[operation]
    said: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={**ANYWHERE, **optional}))
    return {semconv.OPERATION_NAME: operation, **always, **said}


def both_ways(attributes: dict[str, Any], *, is_error: bool = False) -> tuple[Any, Any]:
    """The same span as one of ours and as one of somebody's, who is then left out."""
    place: dict[str, Any] = {"span_id": "1", "parent_id": None, "trace_id": "1", "start_ns": 0, "end_ns": 1}
    ours, theirs = (
        read("x", attributes, scope=scope, is_error=is_error, with_content=False, **place)
        for scope in (semconv.SCOPE_GOOGLE_GENAI, "somebody")
    )
    return ours, msgspec.structs.replace(theirs, scope="")


@settings(deadline=None, max_examples=400)
@given(said=written(), is_error=st.booleans())
def test_our_own_spans_are_read_at_one_go_as_they_are_one_by_one(said: dict[str, Any], *, is_error: bool) -> None:
    ours, theirs = both_ways(said, is_error=is_error)
    assert ours == theirs
    assert own.read(said) is not None


@settings(deadline=None, max_examples=600)
@given(said=written(), data=st.data())
def test_what_was_changed_on_the_way_is_read_alike_too(said: dict[str, Any], data: st.DataObject) -> None:
    keys = st.sampled_from([*said, *OTHERS, *ANYWHERE, *REQUESTS])
    changed = data.draw(st.dictionaries(keys, ANYTHING | st.just("USD"), min_size=1, max_size=3))
    ours, theirs = both_ways({**said, **changed})
    assert ours == theirs


@pytest.mark.parametrize("amount", [float("inf"), float("nan"), -1.0])
@pytest.mark.parametrize("key", [semconv.USAGE_COST, semconv.COST_INPUT, semconv.RESPONSE_TIME_TO_FIRST_CHUNK])
def test_an_amount_that_is_none_is_left_to_the_careful_way(key: str, amount: float) -> None:
    assert own.read({**ALWAYS, key: amount}) is None


@pytest.mark.parametrize("said", [None, 0, 1, "a", ["n"]])
@pytest.mark.parametrize("key", OTHERS)
@pytest.mark.parametrize("operation", SPANS)
def test_what_others_wrote_on_a_span_of_ours_is_read_as_on_theirs(operation: str, key: str, said: object) -> None:
    ours, theirs = both_ways({semconv.OPERATION_NAME: operation, **SPANS[operation][0], key: said})
    assert ours == theirs


@pytest.mark.parametrize("key", ["gen_ai.usage.prompt_tokens", "llm.usage.completion_tokens"])
@pytest.mark.parametrize("operation", ["invoke_agent", "invoke_workflow"])
def test_usage_that_others_wrote_on_a_run_of_ours_is_read_as_on_theirs(operation: str, key: str) -> None:
    ours, theirs = both_ways({semconv.OPERATION_NAME: operation, **SPANS[operation][0], key: 7})
    assert ours == theirs
    assert ours.usage is not None


@pytest.mark.parametrize("said", [None, 3, "a"])
def test_uses_that_are_no_list_are_not_known(said: object) -> None:
    ours, theirs = both_ways({**ALWAYS, semconv.REQUEST_USES: said})
    assert ours.inference.uses is theirs.inference.uses is None
