"""The moment before another one's span ends, in pipelines of every make."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import opentelemetry.sdk.trace as sdk
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_agentperf import config, guard, semconv
from otel_agentperf.live import foreign, in_process, span_end
from otel_agentperf.live.processor import AgentPerfSpanProcessor

OPENAI = {
    semconv.OPERATION_NAME: "chat",
    semconv.PROVIDER_NAME: "openai",
    semconv.REQUEST_MODEL: "gpt-4o",
    semconv.USAGE_INPUT_TOKENS: 1000,
    semconv.USAGE_OUTPUT_TOKENS: 100,
}
SETTINGS = config.Settings(fingerprint_key="test", metrics=False)


@contextmanager
def provider(*processors: SpanProcessor) -> Generator[TracerProvider]:
    made = TracerProvider(resource=Resource.get_empty(), shutdown_on_exit=False)
    for processor in processors:
        made.add_span_processor(processor)
    try:
        yield made
    finally:
        made.shutdown()
        in_process.use(None)


def ours() -> AgentPerfSpanProcessor:
    return AgentPerfSpanProcessor(SETTINGS)


def ask(made: TracerProvider) -> Span:
    span = made.get_tracer("somebody.else").start_span("chat gpt-4o", attributes=OPENAI)
    assert isinstance(span, Span)
    return span


def is_priced(exporter: InMemorySpanExporter) -> list[bool]:
    return [semconv.USAGE_COST in (span.attributes or {}) for span in exporter.get_finished_spans()]


@pytest.mark.parametrize("first", [True, False], ids=["before the exporter", "after the exporter"])
def test_the_processor_may_stand_anywhere_in_a_pipeline(first: bool) -> None:
    exporter = InMemorySpanExporter()
    both: list[SpanProcessor] = [ours(), SimpleSpanProcessor(exporter)]
    with provider(*(both if first else reversed(both))) as made:
        ask(made).end()
    assert is_priced(exporter) == [True]


def test_a_processor_that_is_there_twice_counts_once() -> None:
    exporter = InMemorySpanExporter()
    with provider(ours(), AgentPerfSpanProcessor(), SimpleSpanProcessor(exporter)) as made:
        ask(made).end()
        (span,) = exporter.get_finished_spans()
    assert (span.attributes or {})[semconv.RUN_INPUT_TOKENS] == 1000


def test_two_providers_share_the_pipeline_and_a_third_without_ours_is_left_alone() -> None:
    exporters = [InMemorySpanExporter() for _ in range(3)]
    with (
        provider(ours(), SimpleSpanProcessor(exporters[0])) as one,
        provider(AgentPerfSpanProcessor(), SimpleSpanProcessor(exporters[1])) as two,
        provider(SimpleSpanProcessor(exporters[2])) as three,
    ):
        for made in (one, two, three):
            ask(made).end()
        assert [is_priced(exporter) for exporter in exporters] == [[True], [True], [False]]


def test_a_span_may_end_in_another_thread() -> None:
    exporter = InMemorySpanExporter()
    with provider(ours(), SimpleSpanProcessor(exporter)) as made:
        span = ask(made)
        thread = threading.Thread(target=span.end)
        thread.start()
        thread.join()
    assert is_priced(exporter) == [True]


def test_a_span_that_is_ended_twice_counts_once(caplog: pytest.LogCaptureFixture) -> None:
    exporter = InMemorySpanExporter()
    with provider(ours(), SimpleSpanProcessor(exporter)) as made:
        span = ask(made)
        span.end()
        span.end()
    assert is_priced(exporter) == [True]
    assert [record.getMessage() for record in caplog.records] == ["Calling end() on an ended span."]


def test_the_end_time_that_the_caller_gives_is_the_span_s() -> None:
    exporter = InMemorySpanExporter()
    with provider(ours(), SimpleSpanProcessor(exporter)) as made:
        ask(made).end(5_000_000_000)
    assert [span.end_time for span in exporter.get_finished_spans()] == [5_000_000_000]


class _Raises(SpanProcessor):
    def __init__(self, where: str) -> None:
        self._where = where

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self._do("on_start")

    def on_end(self, span: ReadableSpan) -> None:
        self._do("on_end")

    def _do(self, where: str) -> None:
        if where == self._where:
            raise KeyError("of another processor")


@pytest.mark.parametrize("first", [True, False], ids=["ours first", "ours last"])
@pytest.mark.parametrize("where", ["on_start", "on_end"])
def test_another_processor_that_raises_is_its_own_affair(where: str, first: bool) -> None:
    both: list[SpanProcessor] = [ours(), _Raises(where)]
    with provider(*(both if first else reversed(both))) as made:
        with pytest.raises(KeyError):
            ask(made).end()
        assert not guard.error_counts()


class _Failing(InMemorySpanExporter):
    def export(self, spans: Any) -> Any:
        raise KeyError("of the exporter")


def test_an_exporter_that_raises_leaves_ours_at_work() -> None:
    exporter = InMemorySpanExporter()
    with provider(SimpleSpanProcessor(_Failing()), ours(), SimpleSpanProcessor(exporter)) as made:
        ask(made).end()
    assert is_priced(exporter) == [True]


@pytest.mark.parametrize("name", ["on_start", "before_end"])
def test_an_error_of_ours_never_reaches_the_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    monkeypatch.setattr(foreign, name, fail)
    exporter = InMemorySpanExporter()
    with provider(ours(), SimpleSpanProcessor(exporter)) as made:
        for _ in range(2):
            ask(made).end()
        assert guard.error_counts() == {f"processor.{name}": 2}
    assert is_priced(exporter) == [False, False]


if TYPE_CHECKING:
    _Span = Span
else:
    _Span = sdk._Span  # what tracers make; it is private


class _Slow(_Span):
    """A subclass, as some libraries make one."""

    def end(self, end_time: int | None = None) -> None:
        self.set_attribute("subclass", "was here")
        super().end(end_time)


class _HandsOver(_Span):
    """An SDK that calls `_on_ending` while the span still records, as the specification asks."""

    def end(self, end_time: int | None = None) -> None:
        processor: Any = self._span_processor
        processor._on_ending(self)
        self._span_processor = _WithoutOnEnding(processor)
        super().end(end_time)


class _WithoutOnEnding(SpanProcessor):
    def __init__(self, inner: SpanProcessor) -> None:
        self._inner = inner

    def on_end(self, span: ReadableSpan) -> None:
        self._inner.on_end(span)


def test_a_subclass_of_the_sdk_s_span_is_seen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "_Span", _Slow)
    exporter = InMemorySpanExporter()
    with provider(ours(), SimpleSpanProcessor(exporter)) as made:
        ask(made).end()
    (span,) = exporter.get_finished_spans()
    assert (span.attributes or {})["subclass"] == "was here"
    assert is_priced(exporter) == [True]


@pytest.fixture
def handing_over(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An SDK whose spans still record when they are handed over; `Span.end` as the SDK has it."""
    wrapped = vars(span_end)["_wrapped"]
    monkeypatch.setattr(span_end, "_wrapped", None)
    monkeypatch.setattr(span_end, "_hands_over_recording", None)
    original = getattr(wrapped, "__wrapped__", Span.end)
    monkeypatch.setattr(Span, "end", original)
    monkeypatch.setattr(sdk, "_Span", _HandsOver)
    return original


@pytest.mark.skipif(
    not hasattr(sdk.SynchronousMultiSpanProcessor, "_on_ending"),
    reason="this SDK hands over nothing while a span ends",
)
def test_an_sdk_that_hands_over_recording_spans_is_not_wrapped(handing_over: Callable[..., None]) -> None:
    exporter = InMemorySpanExporter()
    with provider(SimpleSpanProcessor(exporter), ours()) as made:
        assert span_end.hands_over_recording_spans()
        assert Span.end is handing_over
        ask(made).end()
        (span,) = exporter.get_finished_spans()
    assert is_priced(exporter) == [True]
    assert (span.attributes or {})[semconv.RUN_INPUT_TOKENS] == 1000


def test_this_sdk_does_not_hand_over_recording_spans() -> None:
    assert span_end.hands_over_recording_spans() is False


def test_the_processor_ends_the_runs_that_are_open_when_it_is_shut_down() -> None:
    exporter = InMemorySpanExporter()
    agent = {semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: "clerk"}
    with provider(ours(), SimpleSpanProcessor(exporter)) as made:
        made.get_tracer("somebody.else").start_span("agent", attributes=agent)
        made.force_flush()
        assert exporter.get_finished_spans() == ()
        in_process.ensure().close_open_runs()
        (span,) = exporter.get_finished_spans()
    assert (span.attributes or {})[semconv.LANGGRAPH_OUTCOME] == "abandoned"
