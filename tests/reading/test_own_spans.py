"""An operation handed over live and the one read back from its span are the same."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_agentperf import config, semconv
from otel_agentperf.live import loops, samples
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.loops import Blocked
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.live.samples import Sample, Samples
from otel_agentperf.model import (
    Cost,
    CostStatus,
    Inference,
    ModalityTokens,
    NodeStep,
    Operation,
    OperationKind,
    ServiceTier,
    ToolCall,
    Usage,
)
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.reading import runs_of
from otel_agentperf.reading.sdk import read_span
from tests.reading.spans import at


class Live:
    """Opens and closes operations as the instrumentations do, and keeps what was handed over."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer(semconv.SCOPE_LANGGRAPH)
        self.pipeline = Pipeline(config.Settings(metrics=False))
        self.handed_over: dict[str, Operation] = {}

    def open(
        self,
        kind: OperationKind,
        name: str,
        attributes: Attributes,
        start: float,
        parent: Frame | None,
        session: str = "",
    ) -> Frame:
        operation_name = str(attributes[semconv.OPERATION_NAME])
        context = trace.set_span_in_context(parent.span) if parent is not None else None
        span = self.tracer.start_span(f"{operation_name} {name}", context, attributes=attributes, start_time=at(start))
        return self.pipeline.open(kind, name, span, at(start), parent, session_id=session or None)

    def close(self, frame: Frame, end: float, **facts: object) -> None:
        operation = self.pipeline.close(frame, {}, end_ns=at(end), **facts)  # pyright: ignore[reportArgumentType]
        self.handed_over[operation.span_id] = operation

    def read_back(self) -> dict[str, Operation]:
        records = [read_span(span) for span in self.exporter.get_finished_spans()]
        runs = runs_of(record.operation for record in records if record is not None)
        return {operation.span_id: operation for run in runs for operation in run.operations}


@pytest.fixture
def live() -> Iterator[Live]:
    live = Live()
    yield live
    live.provider.shutdown()


def graph(live: Live) -> tuple[Frame, Frame]:
    run = live.open(
        OperationKind.WORKFLOW,
        "g",
        {
            semconv.OPERATION_NAME: semconv.OP_INVOKE_WORKFLOW,
            semconv.WORKFLOW_NAME: "g",
            semconv.CONVERSATION_ID: "s1",
        },
        0,
        None,
        "s1",
    )
    node = live.open(
        OperationKind.NODE,
        "a",
        {
            semconv.OPERATION_NAME: semconv.OP_INVOKE_NODE,
            semconv.NODE_NAME: "a",
            semconv.LANGGRAPH_STEP: 1,
            semconv.STATE_HASH: "00000000000000ff",
            semconv.NODE_ATTEMPTS: 2,
        },
        1,
        run,
    )
    return run, node


def model_request(live: Live, parent: Frame, *, streamed: bool = False) -> Frame:
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OP_GENERATE_CONTENT,
        semconv.PROVIDER_NAME: "gcp.gemini",
        semconv.REQUEST_MODEL: "gemini-2.5-flash",
    }
    if streamed:
        attributes[semconv.REQUEST_STREAM] = True
    return live.open(OperationKind.INFERENCE, "gemini-2.5-flash", attributes, 2, parent)


INFERENCE = Inference(
    provider="gcp.gemini",
    request_model="gemini-2.5-flash",
    response_model="gemini-2.5-flash-001",
    finish_reasons=("STOP",),
    request_hash="00000000000000aa",
    prefix_hashes=("00000000000000ac", "00000000000000ad"),
    response_hash="00000000000000ae",
    response_kind="text",
    prefix_sizes=(120, 4_711),
    request_size=4_790,
    function_calls=0,
    uses=(),
)
FACTS: dict[str, dict[str, Any]] = {
    "an answer of an earlier request in it": {"uses": ("00000000000000b1", "00000000000000b2")},
    "nothing known of earlier answers": {"uses": None},
    "functions asked for": {"response_kind": "function_call", "function_calls": 3},
    "text beside a function call": {"response_kind": "mixed", "function_calls": 1},
    "an empty answer": {"response_kind": "empty", "response_hash": None},
    "no answer": {"response_kind": None, "response_hash": None, "function_calls": None},
    "no fingerprints": {"request_hash": None, "prefix_hashes": (), "prefix_sizes": (), "request_size": None},
}
PRICES = PriceBook({})
USAGES = (
    Usage(1234, 56),
    Usage(0, 0),
    Usage(123_457, 8_191, cache_read_tokens=100_001, reasoning_tokens=4_099, tool_use_tokens=17),
    Usage(
        999,
        77,
        cache_read_tokens=30,
        input_modalities=ModalityTokens(text=900, image=99),
        cache_modalities=ModalityTokens(text=30),
        output_modalities=ModalityTokens(text=77),
        grounding_queries=3,
    ),
)


USED = {
    "much": (Sample(at(1_500), 50.0, 10.0, 40.0, 10**9, 7, 5), Sample(at(2_500), 0.1 + 0.2, 0.0, 90.0, 10**9, 5, 9)),
    "one sample": (Sample(at(2_000), 50.0, 10.0, 40.0, 10**9, 7, 5),),
    "what could be read": (Sample(at(1_500), memory_percent=0.0), Sample(at(2_500), memory_percent=0.0)),
    "nothing": (Sample(at(90_000), 50.0, 10.0, 40.0, 10**9, 7, 5),),
}


@pytest.mark.parametrize("used", USED)
@pytest.mark.parametrize("blocked", [None, Blocked(1_234_567_891, 234_567_891)])
def test_what_was_used_while_a_node_and_a_run_were_open_is_read_back_as_it_was(
    live: Live, used: str, blocked: Blocked | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Samples(10)
    for sample in USED[used]:
        kept.add(sample)
    monkeypatch.setattr(samples, "samples", kept)

    def take(frame: Frame) -> Blocked | None:
        return blocked if frame.kind is OperationKind.NODE else None

    monkeypatch.setattr(loops, "take", take)
    run, node = graph(live)
    live.close(node, 3_000, node=NodeStep("g", 1, "00000000000000ff", 2))
    live.close(run, 4_000)
    assert live.read_back() == live.handed_over
    of_node, of_run = live.handed_over[node.span_id].resources, live.handed_over[run.span_id].resources
    assert (of_run is None) == (used == "nothing")
    assert (of_node is None) == (used == "nothing" and blocked is None)
    assert of_node is None or of_node.blocked_ns == (blocked.total_ns if blocked is not None else 0)


@pytest.mark.parametrize("usage", USAGES)
@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-2.5-pro", "nobody-knows-it"])
def test_a_priced_model_request_in_a_node_is_read_back_as_it_was(live: Live, usage: Usage, model: str) -> None:
    run, node = graph(live)
    request = model_request(live, node)
    cost = PRICES.price("gcp.gemini", model, usage, when_ns=at(2))
    live.close(request, 7, usage=usage, cost=cost, inference=INFERENCE)
    live.close(node, 8, node=NodeStep("g", 1, "00000000000000ff", 2))
    live.close(run, 9)
    assert live.read_back() == live.handed_over


@pytest.mark.parametrize("facts", FACTS)
def test_what_is_known_of_a_request_is_read_back_as_it_was(live: Live, facts: str) -> None:
    run, node = graph(live)
    request = model_request(live, node)
    inference = msgspec.structs.replace(INFERENCE, **FACTS[facts])
    live.close(request, 7, usage=Usage(10, 5), inference=inference)
    live.close(node, 8, node=NodeStep("g", 1, "00000000000000ff", 2))
    live.close(run, 9)
    assert live.read_back() == live.handed_over


def test_a_streamed_request_that_was_abandoned_is_read_back_as_it_was(live: Live) -> None:
    run, node = graph(live)
    request = model_request(live, node, streamed=True)
    inference = Inference("gcp.gemini", "gemini-2.5-flash", streamed=True, time_to_first_chunk_ns=45_233_671)
    unknown = Cost(CostStatus.UNPRICED, reason="the response reports no usage")
    live.close(request, 7, cost=unknown, inference=inference, outcome="abandoned")
    live.close(node, 8, node=NodeStep("g", 1, "00000000000000ff", 2), outcome="interrupted")
    live.close(run, 9, error_type="ValueError")
    assert live.read_back() == live.handed_over


@pytest.mark.parametrize(
    "call",
    [
        ToolCall(no_arguments=True),
        ToolCall("00000000000000a1", "00000000000000a2", None, result_size=12, argument_is_sentence=True),
        ToolCall("00000000000000a1", result_hash="00000000000000a3", argument_is_sentence=False),
        ToolCall("00000000000000a1", error_hash="00000000000000a5"),
    ],
)
def test_a_tool_call_is_read_back_with_its_fingerprints(live: Live, call: ToolCall) -> None:
    run, node = graph(live)
    tool = live.open(
        OperationKind.TOOL,
        "click",
        {semconv.OPERATION_NAME: semconv.OP_EXECUTE_TOOL, semconv.TOOL_NAME: "click"},
        2,
        node,
    )
    live.close(tool, 3, tool=call, error_type="ValueError" if call.error_hash else None)
    live.close(node, 8, node=NodeStep("g", 1, "00000000000000ff", 2))
    live.close(run, 9)
    assert live.read_back() == live.handed_over


def test_a_billed_service_is_read_back_with_its_cost(live: Live) -> None:
    run, node = graph(live)
    service = live.open(
        OperationKind.SERVICE,
        "steel_browser",
        {semconv.OPERATION_NAME: semconv.OP_USE_SERVICE, semconv.SERVICE_NAME: "steel_browser"},
        2,
        node,
    )
    live.close(service, 3, cost=Cost(CostStatus.PRICED, Decimal("0.000213333")))
    live.close(node, 8, node=NodeStep("g", 1, "00000000000000ff", 2))
    live.close(run, 9)
    assert live.read_back() == live.handed_over


def test_a_request_on_another_tier_is_read_back_with_it(live: Live) -> None:
    run, node = graph(live)
    request = model_request(live, node)
    cost = PRICES.price("gcp.gemini", "gemini-2.5-flash", Usage(10, 5), ServiceTier.FLEX, when_ns=at(2))
    live.close(request, 7, usage=Usage(10, 5), cost=cost, inference=INFERENCE)
    live.close(node, 8, node=NodeStep("g", 1, "00000000000000ff", 2))
    live.close(run, 9)
    assert live.read_back() == live.handed_over
