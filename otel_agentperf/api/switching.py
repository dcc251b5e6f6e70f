"""Switching on in code, and the pipeline that everything else here reports to."""

from __future__ import annotations

from opentelemetry import _logs, trace
from opentelemetry.trace import TracerProvider

from otel_agentperf import config, semconv
from otel_agentperf.instrumentation.google_genai import GoogleGenAIInstrumentor
from otel_agentperf.instrumentation.langgraph import LangGraphInstrumentor
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import auto, in_process
from otel_agentperf.live.pipeline import Pipeline

switch = Switch(semconv.SCOPE_API)
"""Starts the spans of what a program marks itself."""


def instrument(settings: config.Settings | None = None, *, tracer_provider: TracerProvider | None = None) -> None:
    """Switch everything on in a program that sets its SDK up in code.

    Call it after the tracer provider exists: without one of the SDK nothing is traced, which is
    logged once. Under `opentelemetry-instrument` it is not needed. What is on already stays as it
    is; other settings are then not used, which is logged too.

    Args:
        settings: the settings; read from the environment when absent.
        tracer_provider: where spans go; the global one when absent.

    Raises:
        SettingsError: a setting is wrong; the message names it and what is allowed.
    """
    chosen = settings if settings is not None else config.load()
    if not chosen.enabled:
        return
    if settings is not None or in_process.current() is None:
        in_process.begin_with(chosen)
    auto.attach(tracer_provider or trace.get_tracer_provider(), _logs.get_logger_provider())
    for instrumentor in (LangGraphInstrumentor(), GoogleGenAIInstrumentor()):
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(tracer_provider=tracer_provider)


_tracing: Pipeline | None = None


def active_pipeline() -> Pipeline | None:
    """The pipeline, with our tracer taken from the provider that it is bound to."""
    global _tracing  # noqa: PLW0603 - follows the pipeline of the process
    active = in_process.current()
    if active is not _tracing:
        switch.turn_on(active.tracer_provider if active is not None else None)
        _tracing = active
    return switch.active()
