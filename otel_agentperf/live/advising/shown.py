"""Advice on spans: an event where it was asked for, and one where its step ended, in numbers and names alone."""

from __future__ import annotations

from collections.abc import Mapping

from otel_agentperf import semconv
from otel_agentperf.advice.actions import name_for_telemetry
from otel_agentperf.advice.calibration import Outcome
from otel_agentperf.advice.results import Improvement, Kind, Remaining
from otel_agentperf.live.advising.follow import Given
from otel_agentperf.live.frames import Frame

MAX_STEPS_SHOWN = 16
AttributeValue = str | bool | int | float | list[str]


def show(given: Given) -> None:
    """Write an advice onto the span that it was asked for in, or the nearest one above that records."""
    span = given.asked.recording_span() if given.asked is not None else None
    if span is not None:
        span.add_event(semconv.EVENT_ADVICE, attributes_of(given), given.at_ns)


def attributes_of(given: Given) -> dict[str, AttributeValue]:
    """The fields of an advice under the names of the telemetry contract; what it abstains from is left out."""
    advice = given.advice
    told: dict[str, AttributeValue] = {semconv.ADVICE_CONFIDENCE: advice.confidence}
    if given.action:
        told[semconv.ADVICE_ACTION] = name_for_telemetry(given.action)
    if given.node:
        told[semconv.ADVICE_NODE] = given.node
    if advice.model.value is not None:
        told[semconv.ADVICE_MODEL] = advice.model.value
        told[semconv.ADVICE_MODEL_SOURCE] = advice.model.source
        told[semconv.ADVICE_MODEL_CONFIDENCE] = advice.model.confidence
    if advice.timeout_s.value is not None:
        told[semconv.ADVICE_TIMEOUT] = advice.timeout_s.value
    if advice.parallel.value is not None:
        told[semconv.ADVICE_PARALLEL] = list(advice.parallel.value[0][:MAX_STEPS_SHOWN])
    if advice.cache.value is not None:
        told[semconv.ADVICE_CACHE] = advice.cache.value.value
    if advice.resources.value is not None:
        told[semconv.ADVICE_RESOURCES] = advice.resources.value.value
    told.update(_rest(advice.forecast.value))
    told.update(_savings(advice.improvement))
    return told


def _rest(rest: Remaining | None) -> dict[str, AttributeValue]:
    told: dict[str, AttributeValue] = {}
    if rest is None:
        return told
    for interval, least, most in (
        (rest.time_s, semconv.ADVICE_REMAINING_LEAST_S, semconv.ADVICE_REMAINING_MOST_S),
        (rest.cost_usd, semconv.ADVICE_REMAINING_LEAST_USD, semconv.ADVICE_REMAINING_MOST_USD),
    ):
        if interval is not None:
            told[least] = interval.lower
            if interval.upper is not None:
                told[most] = interval.upper
    return told


def _savings(saved: Improvement | None) -> dict[str, AttributeValue]:
    if saved is None:
        return {}
    told: dict[str, AttributeValue] = {semconv.ADVICE_SAVINGS_BASIS: saved.basis.value}
    if saved.time_s is not None:
        told[semconv.ADVICE_SAVINGS_TIME] = saved.time_s
    if saved.cost_usd is not None:
        told[semconv.ADVICE_SAVINGS_COST] = saved.cost_usd
    return told


def show_outcome(came: Mapping[Kind, Outcome], frame: Frame) -> None:
    """Write what came of an advice onto the span of the step, while that still records."""
    span = frame.span
    if not span.is_recording():
        return
    told: dict[str, AttributeValue] = {
        semconv.ADVICE_OUTCOME + kind.value: outcome.value
        for kind, outcome in came.items()
        if outcome is not Outcome.ABSTAINED
    }
    if told:
        span.add_event(semconv.EVENT_ADVICE_OUTCOME, told)
