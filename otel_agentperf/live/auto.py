"""Switching on: under `opentelemetry-instrument` by itself, in code by one call.

The hook runs in the group `opentelemetry_post_instrument`: after the tracer provider exists
(also with `OTEL_CONFIG_FILE`) and after the instrumentors, which is why they ask for the
pipeline when they are called and not before. A wrong setting is logged once, on one line, and
leaves the program alone.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable
from typing import Any

from opentelemetry import _logs, trace

from otel_agentperf import config, guard
from otel_agentperf.live import in_process
from otel_agentperf.live.evaluation import EvaluationLogProcessor
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.live.processor import AgentPerfSpanProcessor

_PROCESSOR = "_agentperf_processor"


def ensure_pipeline() -> Pipeline | None:
    """The pipeline of the process, or `None` where a setting forbids or prevents it."""
    if in_process.current() is not None:
        return in_process.current()
    try:
        settings = config.load()
        if not settings.enabled:
            return None
        return in_process.ensure()
    except config.SettingsError as error:
        config.log_refusal(error)
        return None


@guard.guarded("auto.install", None, timed=False)
def install() -> None:
    """Add the processor to the global tracer provider; the hook of `opentelemetry-instrument`."""
    if ensure_pipeline() is not None:
        attach(trace.get_tracer_provider(), _logs.get_logger_provider())


def attach(tracer_provider: Any, logger_provider: Any = None) -> bool:
    """Add the processor to a tracer provider, once.

    Args:
        tracer_provider: an SDK provider; one that takes no processors is left alone, and that is logged once.
        logger_provider: where evaluation results may come as log events.

    Returns:
        Whether the provider carries the processor now.
    """
    add = getattr(tracer_provider, "add_span_processor", None)
    if not callable(add):
        config.log_once(
            "otel-agentperf: nothing is traced, since the tracer provider is not one of the OpenTelemetry SDK "
            f"({type(tracer_provider).__name__}). If your code sets up the SDK, call otel_agentperf.instrument() after "
            "trace.set_tracer_provider(). If opentelemetry-instrument should set it up, install opentelemetry-distro",
            logging.WARNING,
        )
        return False
    if getattr(tracer_provider, _PROCESSOR, None) is None:
        processor = AgentPerfSpanProcessor(tracer_provider=tracer_provider)
        add(processor)
        setattr(tracer_provider, _PROCESSOR, processor)
        _write_files(add, processor.pipeline.settings)
        # Handlers run last in, first out: this one before the provider's own shutdown.
        atexit.register(processor.shutdown)
    add_log = getattr(logger_provider, "add_log_record_processor", None)
    if callable(add_log) and getattr(logger_provider, _PROCESSOR, None) is None:
        log_processor = EvaluationLogProcessor()
        add_log(log_processor)
        setattr(logger_provider, _PROCESSOR, log_processor)
    return True


def _write_files(add: Callable[[Any], object], settings: config.Settings) -> None:
    """Add an exporter that writes reports, where files are asked for and no exporter of ours is there yet."""
    if not settings.report_path:
        return
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - only who asks for files pays

    from otel_agentperf import exporter  # noqa: PLC0415 - as above

    if not exporter.writes_files():
        add(BatchSpanProcessor(exporter.AgentPerfSpanExporter(settings, quiet=True)))
