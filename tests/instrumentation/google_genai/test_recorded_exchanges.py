"""Every exchange, recorded or handmade, served again on loopback and asked for through the real SDK."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from decimal import Decimal
from time import time_ns
from typing import Any, cast

import genai_prices
import pytest
from google import genai
from google.genai import errors

from otel_agentperf import semconv
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.model import Cost, Operation, ServiceTier
from otel_agentperf.pricing import catalog
from otel_agentperf.reading.sdk import read_span
from tests.handmade import EITHER, handmade
from tests.replay_calls import gemini_client, replay
from tests.replay_server import Exchange, ReplayResponder, exchanges
from tests.telemetry import Telemetry, counted, observed

EXACTLY = Decimal("1e-12")
INFERENCES = frozenset({"generateContent", "streamGenerateContent", "interactions"})
HAS_INTERACTIONS = hasattr(genai.Client, "interactions")


Given = Callable[[], tuple[Exchange, ...]]


@contextmanager
def replayed(
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[tuple[Callable[[Exchange], None], Telemetry, list[Operation]]]:
    """Everything on: a function that repeats an exchange, and each operation as the pipeline counts it."""
    with GeminiServer(record=False) as server, observed() as telemetry:
        clients = {vertex: gemini_client(server, vertex=vertex) for vertex in (False, True)}

        def call(exchange: Exchange) -> None:
            server.responder = ReplayResponder([exchange])
            with suppress(errors.APIError):
                replay(clients[exchange.vertex], exchange)

        yield call, telemetry, counted(telemetry, monkeypatch)


def _expected(exchange: Exchange) -> dict[str, int]:
    """The attributes that the response's own usage asks for, zeros left out but for the totals."""
    theirs = exchange.usage
    if exchange.method == "interactions":
        thoughts, tool_use = theirs.get("total_thought_tokens", 0), theirs.get("total_tool_use_tokens", 0)
        found = {
            semconv.USAGE_INPUT_TOKENS: theirs["total_input_tokens"] + tool_use,
            semconv.USAGE_OUTPUT_TOKENS: theirs["total_tokens"] - theirs["total_input_tokens"] - tool_use,
            semconv.USAGE_CACHE_READ_TOKENS: theirs.get("total_cached_tokens", 0),
        }
    else:
        thoughts, tool_use = theirs.get("thoughtsTokenCount", 0), theirs.get("toolUsePromptTokenCount", 0)
        found = {
            semconv.USAGE_INPUT_TOKENS: theirs.get("promptTokenCount", 0) + tool_use,
            semconv.USAGE_OUTPUT_TOKENS: theirs.get("candidatesTokenCount", 0) + thoughts,
            semconv.USAGE_CACHE_READ_TOKENS: theirs.get("cachedContentTokenCount", 0),
        }
    found |= {semconv.USAGE_REASONING_TOKENS: thoughts, semconv.USAGE_TOOL_USE_TOKENS: tool_use}
    for keys, name in (
        (("promptTokensDetails", "toolUsePromptTokensDetails"), semconv.USAGE_MODALITY_INPUT),
        (("candidatesTokensDetails",), semconv.USAGE_MODALITY_OUTPUT),
        (("cacheTokensDetails",), semconv.USAGE_MODALITY_CACHE_READ),
    ):
        found |= _modalities([row for key in keys for row in theirs.get(key, [])], name)
    always = (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS)
    return {key: value for key, value in found.items() if value or key in always}


def _modalities(rows: list[dict[str, Any]], name: str) -> dict[str, int]:
    """Tokens by modality, which stand on a span only where not all of them are text."""
    found: dict[str, int] = {}
    for row in rows:
        modality = str("TEXT" if row["modality"] == 1 else row["modality"]).lower()
        if row.get("tokenCount"):
            found[modality] = found.get(modality, 0) + row["tokenCount"]
    return {name.format(modality=key): value for key, value in found.items()} if set(found) - {"text"} else {}


USAGE_KEYS = frozenset(
    {
        semconv.USAGE_INPUT_TOKENS,
        semconv.USAGE_OUTPUT_TOKENS,
        semconv.USAGE_CACHE_READ_TOKENS,
        semconv.USAGE_REASONING_TOKENS,
        semconv.USAGE_TOOL_USE_TOKENS,
        *(
            name.format(modality=modality)
            for name in (semconv.USAGE_MODALITY_INPUT, semconv.USAGE_MODALITY_OUTPUT, semconv.USAGE_MODALITY_CACHE_READ)
            for modality in ("text", "image", "audio", "video", "document")
        ),
    }
)


def _by_genai_prices(exchange: Exchange, model: str, free_tokens: int) -> Decimal:
    """The cost by genai-prices, without the input tokens that are not billed."""
    theirs = exchange.usage
    if exchange.method == "interactions":
        usage = genai_prices.Usage(
            input_tokens=theirs["total_input_tokens"] + theirs["total_tool_use_tokens"],
            cache_read_tokens=theirs["total_cached_tokens"],
            output_tokens=theirs["total_output_tokens"] + theirs["total_thought_tokens"],
        )
    else:
        named = {"modelVersion": model, "usageMetadata": _named(theirs)}
        usage = genai_prices.extract_usage(named, provider_id="google").usage
    usage.input_tokens -= free_tokens
    when = catalog.moment(time_ns())
    return genai_prices.calc_price(usage, model, provider_id="google", genai_request_timestamp=when).total_price


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        rows = cast("dict[str, Any]", value)
        return {key: "TEXT" if key == "modality" and inner == 1 else _named(inner) for key, inner in rows.items()}
    return [_named(inner) for inner in cast("list[Any]", value)] if isinstance(value, list) else value


def _at_the_standard_tier(telemetry: Telemetry, operation: Operation) -> Cost:
    assert operation.cost is not None
    assert operation.usage is not None
    assert operation.inference is not None
    if operation.cost.tier is ServiceTier.STANDARD:
        return operation.cost
    provider, model = operation.inference.provider, operation.inference.response_model or operation.name
    return telemetry.pipeline.prices.price(provider, model, operation.usage, when_ns=operation.start_ns)


@pytest.mark.recorded
def test_every_recorded_exchange_has_the_response_s_own_tokens_and_genai_prices_own_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared, priced = check_each(exchanges(), monkeypatch)
    assert compared >= (311 if HAS_INTERACTIONS else 307)
    assert priced >= 290


def test_every_handmade_exchange_has_the_response_s_own_tokens_and_genai_prices_own_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert check_each(handmade(), monkeypatch) == ((15, 13) if HAS_INTERACTIONS else (13, 11))


def check_each(given: tuple[Exchange, ...], monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Repeat each exchange that is billed; how many there were, and how many had usage."""
    priced = compared = 0
    with replayed(monkeypatch) as (call, telemetry, operations):
        for exchange in given:
            if exchange.method not in INFERENCES | {"batchEmbedContents"} or exchange.status != 200:
                continue
            if exchange.method == "interactions" and not HAS_INTERACTIONS:
                continue
            before = len(telemetry.exporter.get_finished_spans())
            call(exchange)
            spans = telemetry.exporter.get_finished_spans()[before:]
            assert len(spans) == 1, (exchange.key, [span.name for span in spans])
            attributes = dict(spans[0].attributes or {})
            compared += 1
            record = read_span(spans[0])
            assert record is not None
            assert record.operation.inference == operations[-1].inference, exchange.key
            assert semconv.ERROR_TYPE not in attributes, exchange.key
            if not exchange.usage:
                assert not USAGE_KEYS & attributes.keys(), exchange.key
                assert attributes[semconv.COST_STATUS] == "unpriced", exchange.key
                continue
            found = {key: value for key, value in attributes.items() if key in USAGE_KEYS}
            assert found == _expected(exchange), exchange.key
            operation = operations[-1]
            assert operation.cost is not None
            if operation.cost.total_usd is not None:
                assert attributes[semconv.USAGE_COST] == float(operation.cost.total_usd)
            cost = _at_the_standard_tier(telemetry, operation)
            assert cost.input_usd is not None, (exchange.key, cost)
            assert cost.cache_read_usd is not None
            assert cost.output_usd is not None
            assert operation.inference is not None
            model = operation.inference.response_model or operation.inference.request_model
            token_part = cost.input_usd + cost.cache_read_usd + cost.output_usd
            assert operation.usage is not None
            free_tokens = operation.usage.search_context_tokens
            theirs = _by_genai_prices(exchange, model.removeprefix("models/"), free_tokens)
            assert abs(token_part - theirs) < EXACTLY, (exchange.key, cost)
            priced += 1
        telemetry.assert_sound()
    return compared, priced


@EITHER
def test_a_recorded_error_has_its_status(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = [one for one in given() if one.status != 200]
    assert failed
    with replayed(monkeypatch) as (call, telemetry, _):
        for exchange in failed:
            call(exchange)
        found = [(span.attributes or {})[semconv.ERROR_TYPE] for span in telemetry.spans]
    assert found == [str(one.status) for one in failed]


@EITHER
def test_counting_tokens_and_keeping_caches_are_no_inferences(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [one for one in given() if one.method in {"countTokens", "cachedContents"} and one.request]
    with replayed(monkeypatch) as (call, telemetry, _):
        for exchange in kept:
            call(exchange)
        names = [span.name for span in telemetry.spans]
        assert telemetry.points(semconv.METRIC_TOKEN_USAGE) == []
        costs = [dict(span.attributes or {}) for span in telemetry.spans]
    assert names == ["use_service context_cache"] * sum(one.method == "cachedContents" for one in kept)
    assert all(semconv.COST_STATUS in cost for cost in costs)
