from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agentperf import semconv
from otel_agentperf.reading import own, read
from otel_agentperf.reading.genai import KINDS
from tests.reading.test_genai import ANYTHING

HASH = "0123456789abcdef"
WHOLE = st.integers(0, 5_000)
USD = st.floats(0, 5) | st.just(0.0)
WRITTEN: dict[str, st.SearchStrategy[Any]] = {
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
    "gen_ai.usage.text.input_tokens": WHOLE,
    "gen_ai.usage.audio.cache_read.input_tokens": WHOLE,
    "gen_ai.usage.image.output_tokens": WHOLE,
    semconv.REQUEST_HASH: st.just(HASH),
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
    semconv.COST_TIER: st.sampled_from(["standard", "flex", "provisioned_throughput", "unheard of"]),
    semconv.COST_REASON: st.just("nobody knows"),
    semconv.COST_ESTIMATED: st.booleans(),
    semconv.CONVERSATION_ID: st.just("T"),
}
ALWAYS = {
    semconv.OPERATION_NAME: "generate_content",
    semconv.REQUEST_MODEL: "gemini-2.5-flash",
    semconv.PROVIDER_NAME: "gcp.gemini",
    semconv.COST_STATUS: "priced",
}


def both_ways(attributes: dict[str, Any]) -> tuple[Any, Any]:
    """The same span as one of ours and as one of somebody's, who is then left out."""
    place: dict[str, Any] = {"span_id": "1", "parent_id": None, "trace_id": "1", "start_ns": 0, "end_ns": 1}
    ours, theirs = (
        read("x", attributes, scope=scope, is_error=False, with_content=False, **place)
        for scope in (semconv.SCOPE_GOOGLE_GENAI, "somebody")
    )
    return ours, msgspec.structs.replace(theirs, scope="")


@settings(deadline=None, max_examples=200)
@given(said=st.fixed_dictionaries({}, optional=WRITTEN))
def test_our_own_requests_are_read_at_one_go_as_they_are_one_by_one(said: dict[str, Any]) -> None:
    ours, theirs = both_ways({**ALWAYS, **said})
    assert ours == theirs
    assert own.request(KINDS["generate_content"], {**ALWAYS, **said}) is not None


@settings(deadline=None, max_examples=200)
@given(
    said=st.fixed_dictionaries({}, optional=WRITTEN),
    changed=st.dictionaries(st.sampled_from([*WRITTEN, *ALWAYS]), ANYTHING, min_size=1, max_size=3),
)
def test_what_was_changed_on_the_way_is_read_alike_too(said: dict[str, Any], changed: dict[str, Any]) -> None:
    ours, theirs = both_ways({**ALWAYS, **said, **changed})
    assert ours == theirs


@pytest.mark.parametrize("amount", [float("inf"), float("nan"), -1.0])
@pytest.mark.parametrize("key", [semconv.USAGE_COST, semconv.COST_INPUT, semconv.RESPONSE_TIME_TO_FIRST_CHUNK])
def test_an_amount_that_is_none_is_left_to_the_careful_way(key: str, amount: float) -> None:
    assert own.request(KINDS["generate_content"], {**ALWAYS, key: amount}) is None


@pytest.mark.parametrize("said", [None, 3, "a"])
def test_uses_that_are_no_list_are_not_known(said: object) -> None:
    ours, theirs = both_ways({**ALWAYS, semconv.REQUEST_USES: said})
    assert ours.inference.uses is theirs.inference.uses is None
