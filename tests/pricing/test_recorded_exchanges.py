from __future__ import annotations

import json
from decimal import Decimal

import genai_prices
import pytest
from msgspec.structs import replace

from otel_agentperf.model import Cost, CostStatus, ServiceTier, Usage
from otel_agentperf.pricing import PriceBook, catalog, gemini_usage, interaction_usage, metering
from tests.pricing.moments import NOW_NS, moment_ns
from tests.pricing.recordings import Recorded, recorded

pytestmark = pytest.mark.recorded

BOOK = PriceBook()
EXACTLY = Decimal("1e-12")


def parsed(one: Recorded) -> tuple[Usage, ServiceTier]:
    """Usage and tier as our own parsing of the bodies finds them."""
    if one.interaction:
        last = interaction_usage.InteractionEvent()
        for body in one.bodies:
            event = interaction_usage.decode_event(json.dumps(body if "event_type" in body else {"interaction": body}))
            last = event if event.usage is not None else last
        assert last.usage is not None
        assert last.interaction is not None
        return interaction_usage.to_usage(last.usage), interaction_usage.interaction_tier(last.interaction)
    whole = gemini_usage.merge(gemini_usage.decode_response(json.dumps(body)) for body in one.bodies)
    usage = metering.usage_of(whole)
    assert usage is not None
    return usage, gemini_usage.service_tier(whole.usage_metadata)


def priced_by_genai(one: Recorded, when_ns: int, free_tokens: int = 0) -> Decimal:
    """What genai-prices itself makes of the response's usage, with its own extractor where it has one."""
    usage = one.usage
    if one.interaction:
        theirs = genai_prices.Usage(
            input_tokens=usage["total_input_tokens"] + usage["total_tool_use_tokens"],
            cache_read_tokens=usage["total_cached_tokens"],
            output_tokens=usage["total_output_tokens"] + usage["total_thought_tokens"],
        )
    else:
        body = {"modelVersion": one.model, "usageMetadata": usage}
        theirs = genai_prices.extract_usage(body, provider_id="google").usage
    theirs.input_tokens -= free_tokens
    found = genai_prices.calc_price(
        theirs, one.model, provider_id="google", genai_request_timestamp=catalog.moment(when_ns)
    )
    return found.total_price


def token_part(cost: Cost) -> Decimal:
    assert cost.input_usd is not None
    assert cost.cache_read_usd is not None
    assert cost.output_usd is not None
    return cost.input_usd + cost.cache_read_usd + cost.output_usd


def test_the_recordings_hold_what_these_tests_are_for() -> None:
    exchanges = recorded()
    assert len(exchanges) >= 290
    assert any(one.vertex for one in exchanges)
    assert sum(one.interaction for one in exchanges) == 4
    assert any(parsed(one)[0].grounding_queries for one in exchanges)


def test_tokens_equal_the_response_s_own_usage() -> None:
    for one in recorded():
        usage, _ = parsed(one)
        theirs = one.usage
        if one.interaction:
            assert usage.input_tokens + usage.output_tokens == theirs["total_tokens"], one.name
            continue
        prompt, tool_use = theirs.get("promptTokenCount", 0), theirs.get("toolUsePromptTokenCount", 0)
        candidates, thoughts = theirs.get("candidatesTokenCount", 0), theirs.get("thoughtsTokenCount", 0)
        assert usage.input_tokens == prompt + tool_use, one.name
        assert usage.output_tokens == candidates + thoughts, one.name
        assert usage.cache_read_tokens == theirs.get("cachedContentTokenCount", 0), one.name
        assert usage.reasoning_tokens == thoughts, one.name
        assert usage.tool_use_tokens == tool_use, one.name
        if "totalTokenCount" in theirs:
            assert usage.input_tokens + usage.output_tokens == theirs["totalTokenCount"], one.name


@pytest.mark.parametrize("when_ns", [NOW_NS, moment_ns(2025, 12, 31), moment_ns(2027, 1, 1)])
def test_the_token_part_equals_genai_prices_at_the_standard_tier(when_ns: int) -> None:
    compared = 0
    for one in recorded():
        usage, _ = parsed(one)
        theirs = priced_by_genai(one, when_ns, usage.search_context_tokens)
        cost = BOOK.price(one.provider, one.model, usage, when_ns=when_ns)
        if cost.status is CostStatus.UNPRICED:
            assert usage.grounding_queries, (one.name, cost.reason)
        assert abs(token_part(cost) - theirs) < EXACTLY, (one.name, cost, theirs)
        assert not cost.estimated, one.name
        compared += 1
    assert compared == len(recorded())


def test_only_what_google_search_retrieved_is_left_out_of_the_cost() -> None:
    left_out: dict[str, int] = {}
    for one in recorded():
        usage, _ = parsed(one)
        if usage.search_context_tokens:
            left_out[one.name] = usage.search_context_tokens
            assert usage.grounding_queries, one.name
            assert usage.search_context_tokens == one.usage["toolUsePromptTokenCount"], one.name
            difference = priced_by_genai(one, NOW_NS) - priced_by_genai(one, NOW_NS, usage.search_context_tokens)
            charged = BOOK.price(one.provider, one.model, usage, when_ns=NOW_NS)
            without = BOOK.price(one.provider, one.model, replace(usage, search_context_tokens=0), when_ns=NOW_NS)
            assert abs(token_part(without) - token_part(charged) - difference) < EXACTLY, one.name
    assert sorted(left_out.values()) == [86, 90, 119, 286], left_out
    billed = [one for one in recorded() if one.usage.get("toolUsePromptTokenCount") and one.name not in left_out]
    assert len(billed) == 10  # what file search, URL context and code execution retrieved
    assert not any(parsed(one)[0].grounding_queries for one in billed)


def test_the_tier_is_read_from_every_response() -> None:
    flex = [one for one in recorded() if parsed(one)[1] is not ServiceTier.STANDARD]
    assert [(one.usage["trafficType"], parsed(one)[1]) for one in flex] == [("ON_DEMAND_FLEX", ServiceTier.FLEX)]
    # 5 tokens in, 101 out on Gemini 3 Flash Preview; flex is $0.25 and $1.50 per million.
    usage, tier = parsed(flex[0])
    cost = BOOK.price(flex[0].provider, flex[0].model, usage, tier, when_ns=NOW_NS)
    assert cost.total_usd == (5 * Decimal("0.25") + 101 * Decimal("1.50")) / 1_000_000


def test_modalities_are_left_out_exactly_where_all_is_text() -> None:
    for one in recorded():
        usage, _ = parsed(one)
        details = [
            count
            for key in ("promptTokensDetails", "toolUsePromptTokensDetails", "input_tokens_by_modality")
            for count in one.usage.get(key, [])
        ]
        media = any(
            count["modality"].lower() != "text" and count.get("tokenCount", count.get("tokens", 0)) for count in details
        )
        assert (usage.input_modalities is not None) == media, one.name
