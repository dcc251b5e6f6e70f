"""Interactions in the background: begun, polled, streamed, cancelled and deleted."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from google import genai
from opentelemetry.trace import StatusCode

from otel_agentperf import semconv
from otel_agentperf.demo.responders import InOrder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply, sse
from otel_agentperf.instrumentation.google_genai import background
from otel_agentperf.reading.sdk import read_span
from tests.instrumentation.google_genai import ways
from tests.telemetry import Telemetry, counted, observed

pytestmark = [
    pytest.mark.skipif(
        not hasattr(genai.Client, "interactions"), reason=f"google-genai {genai.__version__} has no Interactions"
    ),
    pytest.mark.filterwarnings("ignore:.*[Ii]nteractions.*experimental"),
]
NAME = f"generate_content {ways.MODEL}"
USAGE = {
    "total_input_tokens": 1_000,
    "total_output_tokens": 100,
    "total_thought_tokens": 50,
    "total_cached_tokens": 200,
    "total_tokens": 1_150,
}
USD = (800 * 0.3 + 200 * 0.03 + 150 * 2.5) / 1e6
STEPS = [{"type": "model_output", "content": [{"type": "text", "text": "hi"}]}]


def _body(status: str, *, of: str = "v1_a", usage: Any = None, **more: Any) -> dict[str, Any]:
    steps = STEPS if status == "completed" else []
    return {
        "id": of,
        "object": "interaction",
        "model": ways.MODEL,
        "status": status,
        "steps": steps,
        "usage": usage,
        **more,
    }


GOES_ON, DONE = Reply(_body("in_progress")), Reply(_body("completed", usage=USAGE))


class Job:
    """Answers like an interaction that ends after some polls; counts nothing of them."""

    def __init__(self, polls: int = 1, end: Reply = DONE) -> None:
        self.left = polls
        self.end = end

    def __call__(self, request: GeminiRequest) -> Reply:
        if request.verb == "DELETE":
            return Reply({})
        if request.path.endswith("/cancel"):
            return self.end
        if request.verb == "POST":
            return GOES_ON
        if request.query.get("stream") == "true":
            created = sse(
                {"event_type": "interaction.created", "interaction": _body("in_progress")}, "interaction.created"
            )
            done = sse({"event_type": "interaction.completed", "interaction": self.end.body}, "interaction.completed")
            return Reply(events=(created, done))
        self.left -= 1
        return GOES_ON if self.left >= 0 else self.end


def _begin(client: Any, **more: Any) -> Any:
    return client.interactions.create(**{"model": ways.MODEL, "input": "hi", "background": True, **more})


def _polled(client: Any) -> None:
    begun = _begin(client)
    for _ in range(4):
        client.interactions.get(begun.id)


def _streamed(client: Any) -> None:
    begun = _begin(client)
    for _ in range(2):
        list(client.interactions.get(begun.id, stream=True))


def _polled_and_streamed(client: Any) -> None:
    begun = _begin(client)
    client.interactions.get(begun.id)
    list(client.interactions.get(begun.id, stream=True))
    client.interactions.get(begun.id)


def _raw(client: Any) -> None:
    begun = _begin(client)
    for _ in range(3):
        client.interactions.with_raw_response.get(begun.id)


def _async(ask: Callable[[Any], Any]) -> Callable[[Any], None]:
    def run(client: Any) -> None:
        async def asked() -> None:
            try:
                await ask(client.aio)
            finally:
                await ways.close(client)

        asyncio.run(asked())

    return run


async def _apolled(client: Any) -> None:
    begun = await _begin(client)
    for _ in range(4):
        await client.interactions.get(begun.id)


async def _astreamed(client: Any) -> None:
    begun = await _begin(client)
    for _ in range(2):
        found = await client.interactions.get(begun.id, stream=True)
        assert [event async for event in found]


LOOKS: dict[str, Callable[[Any], None]] = {
    "polled": _polled,
    "streamed": _streamed,
    "polled and streamed": _polled_and_streamed,
    "raw": _raw,
    "polled async": _async(_apolled),
    "streamed async": _async(_astreamed),
}


def _attributes(telemetry: Telemetry) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in telemetry.named(NAME)]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("vertex", [False, True], ids=["gemini", "vertex"])
def test_it_is_counted_once_when_it_is_first_seen_completed(
    look: str, vertex: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GeminiServer(Job()) as server, observed() as telemetry:
        operations = counted(telemetry, monkeypatch)
        LOOKS[look](ways.client_of(server, vertex=vertex))
        gc.collect()
        telemetry.assert_sound()
        begun, seen = _attributes(telemetry)
        points = telemetry.collected()
        spans = telemetry.named(NAME)
    assert begun[semconv.COUNTED] is False
    assert begun[semconv.COST_STATUS] == "unpriced"
    assert "background" in begun[semconv.COST_REASON]
    assert semconv.USAGE_INPUT_TOKENS not in begun
    assert begun[semconv.RESPONSE_ID] == seen[semconv.RESPONSE_ID] == "v1_a"
    assert (seen[semconv.USAGE_INPUT_TOKENS], seen[semconv.USAGE_OUTPUT_TOKENS]) == (1_000, 150)
    assert seen[semconv.USAGE_COST] == pytest.approx(USD)
    assert seen[semconv.PROVIDER_NAME] == ("gcp.vertex_ai" if vertex else "gcp.gemini")
    assert seen[semconv.RESPONSE_FINISH_REASONS] == ("completed",)
    assert semconv.REQUEST_HASH not in seen
    assert (spans[1].start_time or 0) <= (spans[1].end_time or 0)
    assert len(operations) == 1
    assert semconv.METRIC_UNPRICED not in points
    assert len(points[semconv.METRIC_COST]) == 1
    records = [read_span(span) for span in spans]
    assert [record.operation.counted for record in records if record is not None] == [False, True]


def test_two_threads_that_see_the_end_together_count_it_once() -> None:
    with GeminiServer(Job(polls=0)) as server, observed() as telemetry:
        client = ways.client_of(server)
        begun: Any = _begin(client)
        threads = [threading.Thread(target=client.interactions.get, args=(begun.id,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        telemetry.assert_sound()
        assert len(telemetry.named(NAME)) == 2


def test_one_that_another_process_began_counts_where_it_was_seen_to_go_on() -> None:
    with GeminiServer(Job(polls=2)) as server, observed() as telemetry:
        client = ways.client_of(server)
        for _ in range(5):
            client.interactions.get("v1_a")
        telemetry.assert_sound()
        (seen,) = _attributes(telemetry)
    assert seen[semconv.USAGE_COST] == pytest.approx(USD)
    assert seen[semconv.REQUEST_MODEL] == ways.MODEL


def test_an_agent_that_another_process_asked_is_named() -> None:
    agent: dict[str, Any] = {"model": None, "agent": "deep-research-preview-04-2026"}
    goes_on, done = Reply(_body("queued", **agent)), Reply(_body("completed", usage=USAGE, **agent))
    with GeminiServer(InOrder([goes_on, done])) as server, observed() as telemetry:
        client = ways.client_of(server)
        client.interactions.get("v1_a")
        client.interactions.get("v1_a")
        telemetry.assert_sound()
        (span,) = telemetry.spans
    assert span.name == "generate_content deep-research-preview-04-2026"


@pytest.mark.parametrize("look", ["get", "stream"])
def test_one_that_has_ended_at_first_sight_and_was_not_begun_here_is_not_counted(look: str) -> None:
    with GeminiServer(Job(polls=0)) as server, observed() as telemetry:
        client = ways.client_of(server)
        if look == "get":
            client.interactions.get("v1_a")
        else:
            list(client.interactions.get("v1_a", stream=True))
        assert telemetry.spans == []


def test_one_that_was_answered_at_once_is_not_counted_again() -> None:
    with GeminiServer(lambda _: DONE) as server, observed() as telemetry:
        client = ways.client_of(server)
        for begun in (_begin(client), _begin(client, background=False)):
            client.interactions.get(begun.id)
        telemetry.assert_sound()
        assert [each[semconv.USAGE_COST] for each in _attributes(telemetry)] == pytest.approx([USD, USD])


@pytest.mark.parametrize("by", ["get", "cancel"])
def test_one_that_is_cancelled_counts_what_it_used(by: str) -> None:
    with GeminiServer(Job(polls=0, end=Reply(_body("cancelled", usage=USAGE)))) as server, observed() as telemetry:
        client = ways.client_of(server)
        begun: Any = _begin(client)
        getattr(client.interactions, by)(begun.id)
        client.interactions.get(begun.id)
        telemetry.assert_sound()
        _, seen = _attributes(telemetry)
        assert telemetry.named(NAME)[1].status.status_code is StatusCode.ERROR
    assert seen[semconv.ERROR_TYPE] == "cancelled"
    assert seen[semconv.USAGE_COST] == pytest.approx(USD)


def test_one_that_failed_without_usage_is_an_error_that_costs_nothing() -> None:
    with GeminiServer(Job(polls=1, end=Reply(_body("failed")))) as server, observed() as telemetry:
        _polled(ways.client_of(server))
        telemetry.assert_sound()
        _, seen = _attributes(telemetry)
    assert seen[semconv.ERROR_TYPE] == "failed"
    assert semconv.COST_STATUS not in seen


def test_one_that_is_deleted_before_its_end_was_seen_is_unpriced() -> None:
    with GeminiServer(Job(polls=9)) as server, observed() as telemetry:
        client = ways.client_of(server)
        begun: Any = _begin(client)
        client.interactions.get(begun.id)
        client.interactions.delete(begun.id)
        client.interactions.delete(begun.id)
        telemetry.assert_sound()
        _, seen = _attributes(telemetry)
    assert seen[semconv.COST_STATUS] == "unpriced"
    assert "deleted" in seen[semconv.COST_REASON]
    assert semconv.COUNTED not in seen


def test_a_stream_that_is_left_while_it_goes_on_is_counted_by_the_poll_that_sees_its_end() -> None:
    events = (
        sse({"event_type": "interaction.created", "interaction": _body("in_progress")}, "interaction.created"),
        sse({"event_type": "step.stop", "index": 0, "usage": {"total_input_tokens": 900}}, "step.stop"),
        sse({"event_type": "interaction.completed", "interaction": DONE.body}, "interaction.completed"),
    )
    with GeminiServer(InOrder([Reply(events=events), DONE, DONE])) as server, observed() as telemetry:
        client = ways.client_of(server)
        for event in _begin(client, stream=True):
            if event.event_type == "step.stop":
                break
        gc.collect()
        client.interactions.get("v1_a")
        client.interactions.get("v1_a")
        telemetry.assert_sound()
        begun, seen = _attributes(telemetry)
    assert begun[semconv.COUNTED] is False
    assert semconv.USAGE_INPUT_TOKENS not in begun
    assert seen[semconv.USAGE_INPUT_TOKENS] == 1_000


def test_a_stream_that_is_read_to_its_end_counts_itself() -> None:
    events = (
        sse({"event_type": "interaction.created", "interaction": _body("in_progress")}, "interaction.created"),
        sse({"event_type": "interaction.completed", "interaction": DONE.body}, "interaction.completed"),
    )
    with GeminiServer(InOrder([Reply(events=events), DONE])) as server, observed() as telemetry:
        client = ways.client_of(server)
        list(_begin(client, stream=True))
        client.interactions.get("v1_a")
        telemetry.assert_sound()
        (span,) = _attributes(telemetry)
    assert span[semconv.USAGE_COST] == pytest.approx(USD)
    assert semconv.COUNTED not in span


def test_no_more_are_followed_than_the_bound_and_what_is_dropped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MAX_FOLLOWED", 2)

    def answer(request: GeminiRequest) -> Reply:
        name = request.name or f"v{request.number}"
        return Reply(
            _body(
                "completed" if request.verb == "GET" else "in_progress",
                of=name,
                usage=USAGE if request.verb == "GET" else None,
            )
        )

    with GeminiServer(answer) as server, observed() as telemetry:
        client = ways.client_of(server)
        ids: list[str] = [_begin(client).id for _ in range(5)]
        for each in ids:
            client.interactions.get(each)
        telemetry.assert_sound()
        counts = [each for each in _attributes(telemetry) if semconv.COUNTED not in each]
        dropped = {
            (point.attributes or {})[semconv.REASON]: getattr(point, "value", None)
            for point in telemetry.points(semconv.METRIC_EVICTIONS)
        }
    assert [each[semconv.RESPONSE_ID] for each in counts] == ids[-2:]
    assert dropped["background_interactions"] == 3
