"""Evaluation results (`gen_ai.evaluation.result`) say how a run went where no exception does.

They come as an event on a span of the run, or as a log event emitted in its context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.trace import Span

from otel_agentperf import guard, semconv
from otel_agentperf.live import frames
from otel_agentperf.reading.evaluations import evaluation

if TYPE_CHECKING:
    from otel_agentperf.analysis.runs import Run


def take(run: Run, attributes: Mapping[str, object]) -> None:
    """Let an evaluation result decide a run's success and score."""
    success, score = evaluation(attributes)
    if success is not None:
        run.success = success
    if score is not None:
        run.score = score


def take_from_span(run: Run, span: Span) -> None:
    """Take in the evaluation results among a span's events."""
    events = getattr(span, "_events", ())
    if not events:
        return
    for event in events:
        if event.name == semconv.EVENT_EVALUATION:
            take(run, cast("Mapping[str, object]", event.attributes or {}))


class EvaluationLogProcessor(LogRecordProcessor):
    """Takes in evaluation results that are emitted as log events."""

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Look at one log record; everything but an evaluation result passes by."""
        record = log_record.log_record
        if record.event_name != semconv.EVENT_EVALUATION:
            return
        try:
            frame = frames.current(record.context)
            if frame is not None and frame.run is not None:
                take(frame.run, cast("Mapping[str, object]", record.attributes or {}))
        except Exception as error:  # noqa: BLE001 - a processor must not raise into the program
            guard.report("evaluation.on_emit", error)

    def shutdown(self) -> None:
        """Nothing to do."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back."""
        del timeout_millis
        return True
