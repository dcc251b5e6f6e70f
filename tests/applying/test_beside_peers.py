"""Beside another instrumentation of the same client, its span says what was applied, and each request counts once."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from otel_agentperf import semconv
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.live import applying
from otel_agentperf.live.applying import Applying
from tests.applying.graphs import ALWAYS, CHEAP, DEAR, ByModel, Says, always, thinks
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.beside import MISSING, OF_LANGCHAIN, OF_THE_CLIENT, beside
from tests.instrumentation.google_genai.functions import look_up
from tests.instrumentation.google_genai.test_function_calling import rounds

pytestmark = pytest.mark.skipif(
    "official google-genai" in MISSING, reason=f"not installed beside this google-genai: {', '.join(MISSING)}"
)


def _apply(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "lot", always)
    pipeline = counted.telemetry.pipeline
    pipeline.applying = Applying({"think": ALWAYS}, pipeline.prices, Says(CHEAP))


@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
def test_the_peers_span_says_which_model_is_billed_and_which_one_was_asked_for(
    peers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with GeminiServer(ByModel()) as server, beside(peers, ours_first=False) as counted:
        _apply(counted, monkeypatch)
        client = ways.client_of(server)
        thinks(lambda: client.models.generate_content(model=DEAR, contents="x")).invoke({"text": ""})
        said = [dict(span.attributes or {}) for span in counted.peer_spans()]
        assert counted.on_spans()[0] == counted.in_runs()[0] == counted.in_metrics()[0] == 1
    told = [one for one in said if semconv.REQUEST_MODEL_ASKED in one]
    assert len(told) == 1
    assert told[0][semconv.REQUEST_MODEL_ASKED] == DEAR
    assert told[0][semconv.REQUEST_MODEL] == CHEAP
    assert told[0][semconv.ADVICE_APPLIED] == ("model",)


def test_each_round_of_function_calling_says_it_beneath_a_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    with GeminiServer(rounds()) as server, beside(("official google-genai",), ours_first=False) as counted:
        _apply(counted, monkeypatch)
        client, tools = ways.client_of(server), types.GenerateContentConfig(tools=[look_up])
        thinks(lambda: client.models.generate_content(model=DEAR, contents="x", config=tools)).invoke({"text": ""})
        assert [request.model for request in server.requests] == [CHEAP] * 4
        spans = counted.telemetry.named(f"generate_content {CHEAP}")
        assert [(span.attributes or {}).get(semconv.REQUEST_MODEL_ASKED) for span in spans] == [DEAR] * 4


@pytest.mark.parametrize("peers", OF_LANGCHAIN, ids=" + ".join)
def test_a_request_by_langchain_counts_once_though_its_peers_know_another_model(
    peers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_google_genai import ChatGoogleGenerativeAI

    with GeminiServer(ByModel()) as server, beside(peers, ours_first=True) as counted:
        _apply(counted, monkeypatch)
        model: Any = ChatGoogleGenerativeAI(model=DEAR, api_key="loopback", base_url=server.base_url)  # pyright: ignore[reportArgumentType]
        thinks(lambda: model.invoke("Say hello")).invoke({"text": ""})
        assert [request.model for request in server.requests] == [CHEAP]
        assert counted.in_runs()[0] == 1
        assert counted.on_spans()[0] == 1
