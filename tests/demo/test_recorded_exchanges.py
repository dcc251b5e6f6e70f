from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from google.genai import errors

from otel_agentperf.demo.server import GeminiServer
from tests.handmade import EITHER, handmade
from tests.replay_calls import gemini_client, replay
from tests.replay_server import Exchange, ReplayResponder, exchanges

COUNTS = {
    "promptTokenCount": "prompt_token_count",
    "candidatesTokenCount": "candidates_token_count",
    "thoughtsTokenCount": "thoughts_token_count",
    "cachedContentTokenCount": "cached_content_token_count",
    "totalTokenCount": "total_token_count",
}


def check_each(given: tuple[Exchange, ...]) -> Counter[str]:
    """Repeat each of them, and count the methods that were called."""
    seen: Counter[str] = Counter()
    with GeminiServer() as server:
        clients: dict[bool, Any] = {vertex: gemini_client(server, vertex=vertex) for vertex in (False, True)}
        for exchange in given:
            if not _repeatable(exchange, clients[exchange.vertex]):
                continue
            server.responder = ReplayResponder([exchange])
            seen[exchange.method] += 1
            if exchange.status != 200:
                with pytest.raises(errors.APIError) as raised:
                    replay(clients[exchange.vertex], exchange)
                assert raised.value.code == exchange.status, exchange.key
                continue
            answer = replay(clients[exchange.vertex], exchange)[-1]
            if exchange.method.endswith("enerateContent"):
                read = {ours: getattr(answer.usage_metadata, theirs, None) for ours, theirs in COUNTS.items()}
                assert read == {ours: exchange.usage.get(ours) for ours in COUNTS}, exchange.key
    return seen


def test_every_handmade_exchange_reaches_the_sdk_with_its_own_usage() -> None:
    seen = check_each(handmade())
    assert seen["generateContent"] == 12
    assert seen["streamGenerateContent"] == 2


@pytest.mark.recorded
@pytest.mark.filterwarnings("ignore:.* is not a valid:UserWarning")  # the oldest SDK on newer values of its enums
def test_every_recorded_exchange_reaches_the_sdk_with_its_own_usage() -> None:
    seen = check_each(exchanges())
    assert seen["generateContent"] == 291
    assert seen["streamGenerateContent"] == 14


@EITHER
def test_a_conversation_is_served_in_turn_and_ends(given: Callable[[], tuple[Exchange, ...]]) -> None:
    longest = Counter(one.file for one in given() if one.method == "generateContent").most_common(1)[0][0]
    recorded = sorted((one for one in given() if one.file == longest), key=lambda one: one.index)
    with GeminiServer(ReplayResponder(recorded)) as server:
        client = gemini_client(server)
        for exchange in recorded:
            replay(client, exchange)
        with pytest.raises(errors.ServerError, match="beyond the recording"):
            replay(client, recorded[0])


def _repeatable(exchange: Exchange, client: Any) -> bool:
    """Deleting a cache has no body to repeat, and older versions have no Interactions."""
    if exchange.method == "cachedContents":
        return bool(exchange.request)
    return exchange.method != "interactions" or hasattr(client, "interactions")
