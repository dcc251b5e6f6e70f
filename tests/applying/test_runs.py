"""Whole runs of a graph: the shares that are honoured, and what is taken back when the tried model does badly."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import pytest

import otel_agentperf
from otel_agentperf import semconv
from otel_agentperf.demo import replies
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply
from otel_agentperf.live.applying import Applying
from otel_agentperf.live.frames import Frame
from otel_agentperf.model import OperationKind
from otel_agentperf.pricing.book import PriceBook
from tests.applying.graphs import CHEAP, DEAR, ByModel, Says, advised_by, settings, thinks
from tests.instrumentation.google_genai import ways
from tests.telemetry import Telemetry, observed

RUNS = 2_000


def _nothing_against(*_: object) -> None:
    """Every request may go to the other model."""


def _share_of(applying: Applying, runs: int) -> tuple[float, set[int]]:
    """The share of runs whose first request is treated, and how many answers the five requests of a run get."""
    treated, kinds = 0, set[int]()
    with observed() as telemetry:
        tracer = telemetry.provider.get_tracer("test")
        for _ in range(runs):
            frames: list[Frame] = []
            parent = None
            for kind, name in ((OperationKind.WORKFLOW, "researcher"), (OperationKind.NODE, "think")):
                span = tracer.start_span(name)
                parent = telemetry.pipeline.open(kind, name, span, 0, parent)
                frames.append(parent)
            asked = [
                applying.decide(
                    frames[-1], semconv.PROVIDER_GEMINI, DEAR, _nothing_against, can_time_out=True, when_ns=10**18
                )
                for _ in range(5)
            ]
            models = {decided.model for decided in asked if decided is not None}
            kinds.add(len(models))
            treated += CHEAP in models
            run = frames[0].run
            assert run is not None
            applying.forget(run)
            telemetry.pipeline.drop(frames[0])
    return treated / runs, kinds


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_share_is_honoured_over_runs_and_all_requests_of_a_run_are_alike(share: float) -> None:
    table = {"think": {"models": [CHEAP], "share": share}}
    found, kinds = _share_of(Applying(table, PriceBook(), Says(CHEAP)), RUNS)
    assert abs(found - share) < 4 * (share * (1 - share) / RUNS) ** 0.5
    assert kinds == {1}


def _run_until_taken_back(telemetry: Telemetry, server: GeminiServer, most: int, judge: Any = None) -> int:
    """How many runs it takes; runs are made anew, since an endless one would hide a trial that never ends."""
    client = ways.client_of(server)

    def ask() -> None:
        try:
            answer = client.models.generate_content(model=DEAR, contents="Say hello")
        except Exception:  # noqa: BLE001 - a node that copes
            return
        if judge is not None:
            otel_agentperf.outcome(success=judge(answer))

    graph, applying = thinks(ask), telemetry.pipeline.applying
    assert applying is not None
    for number in range(1, most + 1):
        graph.invoke({"text": ""})
        if list(applying.shares().values()) == [0.0]:
            return number
    raise AssertionError(f"not taken back within {most} runs")


def _fails(_: GeminiRequest) -> Reply:
    return replies.error(500)


def _is_empty(request: GeminiRequest) -> Reply:
    return replies.content(request, [], Tokens(prompt=1_000, candidates=0))


def _is_cut(request: GeminiRequest) -> Reply:
    return replies.content(request, replies.text("I wil"), finish_reason="MAX_TOKENS")


def _is_wrong(request: GeminiRequest) -> Reply:
    return replies.content(request, replies.text("wrong"), Tokens(prompt=100, candidates=10))


def _is_long(request: GeminiRequest) -> Reply:
    return replies.content(request, replies.text("well"), Tokens(prompt=1_000, candidates=9_000))


@pytest.mark.parametrize(
    ("responder", "reason"),
    [(_fails, "success"), (_is_empty, "success"), (_is_cut, "success"), (_is_wrong, "success"), (_is_long, "cost")],
    ids=["it fails", "it says nothing", "it is cut off", "runs are judged as failed", "it costs more in the end"],
)
def test_a_model_that_does_worse_is_taken_back(responder: Any, reason: str) -> None:
    judge = (lambda answer: answer.text != "wrong") if responder is _is_wrong else None  # pyright: ignore[reportUnknownLambdaType,reportUnknownVariableType,reportUnknownMemberType]
    with (
        GeminiServer(ByModel(gemini_2_5_flash=responder)) as server,
        observed(settings=settings(share=0.5, max_share=0.5)) as telemetry,
    ):
        advised_by(telemetry, Says(CHEAP))
        _run_until_taken_back(telemetry, server, 200, judge)
        told = [
            (span.name, dict(event.attributes or {}))
            for span in telemetry.spans
            for event in span.events
            if event.name == semconv.EVENT_TAKEN_BACK
        ]
        server.requests.clear()
        _ask_once(server)
        assert [request.model for request in server.requests] == [DEAR]
    ((name, attributes),) = told
    assert name == "invoke_workflow researcher"
    assert attributes[semconv.REASON] == reason
    assert attributes[semconv.TAKEN_BACK_TREATED] != 0


def test_a_model_that_is_slow_is_taken_back() -> None:
    def slow(request: GeminiRequest) -> Reply:
        return replies.content(request, replies.text("well"), latency_s=0.2)

    with (
        GeminiServer(ByModel(gemini_2_5_flash=slow)) as server,
        observed(settings=settings(share=0.5, max_share=0.5)) as telemetry,
    ):
        advised_by(telemetry, Says(CHEAP))
        _run_until_taken_back(telemetry, server, 200)


def _ask_once(server: GeminiServer) -> None:
    client = ways.client_of(server)
    thinks(lambda: client.models.generate_content(model=DEAR, contents="Say hello")).invoke({"text": ""})


def test_a_trial_grows_with_runs_that_go_well() -> None:
    with GeminiServer(ByModel()) as server, observed(settings=settings(share=0.5)) as telemetry:
        advised_by(telemetry, Says(CHEAP))
        client = ways.client_of(server)
        graph = thinks(lambda: client.models.generate_content(model=DEAR, contents="Say hello"))
        for _ in range(150):
            graph.invoke({"text": ""})
        applying = telemetry.pipeline.applying
        assert applying is not None
        assert list(applying.shares().values()) == [0.95]


def test_the_advisor_of_the_process_is_asked_and_what_it_learns_is_explored_first() -> None:
    with GeminiServer(ByModel()) as server, observed(settings=settings(share=0.5)) as telemetry:
        for _ in range(20):
            _ask_once(server)
        assert {request.model for request in server.requests} == {DEAR, CHEAP}
        telemetry.assert_sound()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_goes_on_though_a_thread_that_it_does_not_have_holds_the_lock() -> None:
    with GeminiServer(ByModel()) as server, observed(settings=settings()) as telemetry:
        advised_by(telemetry, Says(CHEAP))
        _ask_once(server)
        applying = telemetry.pipeline.applying
        assert applying is not None
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with applying._lock:  # pyright: ignore[reportPrivateUsage]
                held.set()
                release.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            said = b"null"
            try:
                _ask_once(server)
                said = json.dumps(sorted(applying.shares().values())).encode()
            finally:
                os.write(writing, said)
                os._exit(0)
        os.close(writing)
        release.set()
        holder.join()
        with os.fdopen(reading) as pipe:
            assert json.loads(pipe.read()) == [0.95]
        os.waitpid(child, 0)
