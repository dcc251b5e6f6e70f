"""Which earlier answers of a run stand in a request, asked through the real SDK."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from google import genai
from opentelemetry.trace import Tracer

import otel_agentperf
from otel_agentperf import semconv
from otel_agentperf.demo import replies
from otel_agentperf.demo.responders import InOrder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import Call, GeminiRequest, Reply
from tests.instrumentation.google_genai import ways
from tests.instrumentation.google_genai.beside import MISSING, OF_THE_CLIENT, OURS_FIRST, beside
from tests.telemetry import Telemetry, observed

NAME = f"generate_content {ways.MODEL}"
FIRST = "The Dachstein massif rises to 2995 metres, as the survey of 2019 says."
SECOND = "Its glaciers have lost a third of their area since 1980."
Ask = Callable[[Any, str], str]


def answering(*texts: str) -> InOrder:
    """One answer after another; a stream sends each as two events."""

    def answer(text: str) -> Callable[[GeminiRequest], Reply]:
        half = len(text) // 2

        def reply(request: GeminiRequest) -> Reply:
            if request.call is Call.INTERACTION:
                return replies.interaction(request, text)
            parts = (text[:half], text[half:]) if request.call is Call.STREAM else (text,)
            return replies.content(request, replies.text(*parts))

        return reply

    return InOrder([answer(text) for text in texts])


def whole(client: Any, prompt: str) -> str:
    return str(client.models.generate_content(model=ways.MODEL, contents=prompt).text)


def streamed(client: Any, prompt: str) -> str:
    return "".join(chunk.text for chunk in client.models.generate_content_stream(model=ways.MODEL, contents=prompt))


ASK: dict[str, Ask] = {"whole": whole, "streamed": streamed}


def used(telemetry: Telemetry) -> list[tuple[int, ...] | None]:
    """For each request, in order, the places of the requests whose answers it uses."""
    spans = telemetry.named(NAME)
    ids = [format(span.context.span_id, "016x") for span in spans if span.context is not None]
    found: list[Any] = [(span.attributes or {}).get(semconv.REQUEST_USES) for span in spans]
    return [None if uses is None else tuple(ids.index(one) for one in uses) for uses in found]


def program(telemetry: Telemetry) -> Tracer:
    return telemetry.provider.get_tracer("the program")


@pytest.mark.parametrize("way", ASK)
def test_a_request_names_the_answers_that_stand_in_it(way: str) -> None:
    ask = ASK[way]
    with GeminiServer(answering(FIRST, SECOND, "It is all said.", "Indeed.")) as server, observed() as telemetry:
        client = ways.client_of(server)
        with program(telemetry).start_as_current_span("program"):
            first = ask(client, "How high is it?")
            second = ask(client, "How are its glaciers?")
            ask(client, f"Sum up:\n- {first}\n- {second}")
            ask(client, f"Is this right? {second}")
        telemetry.assert_sound()
        assert used(telemetry) == [(), (), (0, 1), (1,)]


@pytest.mark.parametrize("way", ASK)
def test_runs_do_not_know_each_other_s_answers(way: str) -> None:
    with GeminiServer(answering(FIRST, SECOND, SECOND)) as server, observed() as telemetry:
        client = ways.client_of(server)
        with program(telemetry).start_as_current_span("program"):
            first = ASK[way](client, "How high is it?")
        with program(telemetry).start_as_current_span("program"):
            ASK[way](client, f"Is this right? {first}")
        ASK[way](client, f"Outside of any run: is this right? {first}")
        assert used(telemetry) == [(), (), ()]


@pytest.mark.parametrize("way", ASK)
def test_an_answer_too_short_to_be_told_leaves_later_requests_unknown(way: str) -> None:
    with GeminiServer(answering("Yes.", SECOND)) as server, observed() as telemetry:
        client = ways.client_of(server)
        with program(telemetry).start_as_current_span("program"):
            ASK[way](client, "Is it high?")
            ASK[way](client, "How are its glaciers?")
        assert used(telemetry) == [(), None]


def test_a_stream_that_has_begun_leaves_the_next_request_unknown() -> None:
    with GeminiServer(answering(FIRST, SECOND, SECOND)) as server, observed() as telemetry:
        client = ways.client_of(server)
        with program(telemetry).start_as_current_span("program"):
            stream = client.models.generate_content_stream(model=ways.MODEL, contents="How high is it?")
            next(stream)
            whole(client, "How are its glaciers?")
            list(stream)
            whole(client, "And its lakes?")
        assert used(telemetry) == [(), None, ()]


def test_usage_that_a_program_reports_itself_leaves_later_requests_unknown() -> None:
    with GeminiServer(answering(FIRST)) as server, observed() as telemetry:
        with program(telemetry).start_as_current_span("program"):
            otel_agentperf.record_model_usage("another-model", input_tokens=10, output_tokens=5)
            whole(ways.client_of(server), "How high is it?")
        assert used(telemetry) == [None]


def test_a_model_request_that_only_another_instrumentation_saw_leaves_later_requests_unknown() -> None:
    with GeminiServer(answering(FIRST)) as server, observed() as telemetry:
        with program(telemetry).start_as_current_span("program"):
            attributes = {semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: "another-model"}
            program(telemetry).start_span("chat another-model", attributes=attributes).end()
            whole(ways.client_of(server), "How high is it?")
        assert used(telemetry) == [None]


def test_a_picture_leaves_later_requests_unknown() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": replies.PIXEL_PNG}}
    answers = InOrder([lambda request: replies.content(request, [picture]), *answering(SECOND).answers])
    with GeminiServer(answers) as server, observed() as telemetry:
        client = ways.client_of(server)
        with program(telemetry).start_as_current_span("program"):
            client.models.generate_content(model=ways.MODEL, contents="Draw it.")
            whole(client, "How are its glaciers?")
        assert used(telemetry) == [(), None]


@pytest.mark.skipif(bool(MISSING), reason=f"absent: {', '.join(MISSING)}")
@pytest.mark.parametrize("ours_first", OURS_FIRST)
@pytest.mark.parametrize("peers", OF_THE_CLIENT, ids=" + ".join)
def test_requests_on_a_peer_s_spans_name_the_answers_on_others(peers: tuple[str, ...], ours_first: bool) -> None:
    with (
        GeminiServer(answering(FIRST, SECOND)) as server,
        beside(peers, ours_first=ours_first) as counted,
        program(counted.telemetry).start_as_current_span("program"),
    ):
        client = ways.client_of(server)
        first = whole(client, "How high is it?")
        whole(client, f"Is this right? {first}")
        spans = [span for span in counted.telemetry.spans if semconv.REQUEST_USES in (span.attributes or {})]
        ids = [format(span.context.span_id, "016x") for span in spans if span.context is not None]
    assert [(span.attributes or {})[semconv.REQUEST_USES] for span in spans] == [(), (ids[0],)]


@pytest.mark.skipif(not hasattr(genai.Client, "interactions"), reason="this google-genai has no Interactions")
@pytest.mark.filterwarnings("ignore:.*[Ii]nteractions.*experimental")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_interaction_names_the_answers_in_it_unless_it_goes_on_from_another(stream: bool) -> None:
    with GeminiServer(answering(FIRST, SECOND, SECOND)) as server, observed() as telemetry:
        client = ways.client_of(server)

        def ask(prompt: str, **more: Any) -> None:
            found = client.interactions.create(model=ways.MODEL, input=prompt, stream=stream, **more)
            if stream:
                list(found)

        with program(telemetry).start_as_current_span("program"):
            ask("How high is it?")
            ask(f"Is this right? {FIRST}")
            ask("And its glaciers?", previous_interaction_id="an-earlier-one")
            gc.collect()
        assert used(telemetry) == [(), (0,), None]
