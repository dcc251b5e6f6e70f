"""How a billed request begins: on which span, with which attributes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from time import time_ns
from typing import Any, cast
from urllib.parse import urlsplit

from opentelemetry import context as context_api
from opentelemetry.trace import SpanKind

from otel_agentperf import semconv
from otel_agentperf.instrumentation.google_genai import peers, videos
from otel_agentperf.instrumentation.google_genai.call import CURRENT, Call
from otel_agentperf.instrumentation.google_genai.endpoints import Endpoint
from otel_agentperf.instrumentation.google_genai.messages import Exchange
from otel_agentperf.instrumentation.google_genai.prints import RequestPrints, request_prints
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import frames
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import OperationKind

_GENERATION = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "topP": semconv.REQUEST_TOP_P,
    "top_p": semconv.REQUEST_TOP_P,
    "topK": semconv.REQUEST_TOP_K,
    "maxOutputTokens": semconv.REQUEST_MAX_TOKENS,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "seed": semconv.REQUEST_SEED,
    "frequencyPenalty": semconv.REQUEST_FREQUENCY_PENALTY,
    "presencePenalty": semconv.REQUEST_PRESENCE_PENALTY,
}
_THINKING = ("thinkingLevel", "thinking_level", "thinkingBudget", "thinking_budget")
"""In the spellings of several versions of the SDK, and of Interactions."""
_CLIENT, _EMBEDDINGS, _INFERENCE = SpanKind.CLIENT, OperationKind.EMBEDDINGS, OperationKind.INFERENCE
_NO_PRINTS = RequestPrints()
_WHOLE = frozenset({semconv.REQUEST_TOP_K, semconv.REQUEST_MAX_TOKENS, semconv.REQUEST_SEED})


def begin(
    switch: Switch,
    active: Pipeline,
    endpoint: Endpoint,
    *,
    vertex: bool,
    base_url: str,
    body: Mapping[str, Any],
    streamed: bool,
    location: str = "",
    start_ns: int | None = None,
) -> Call | None:
    """Begin a billed request, on a span of our own or on a peer's.

    Args:
        switch: the instrumentation's.
        active: the pipeline.
        endpoint: what is requested.
        vertex: whether it goes to Vertex AI.
        base_url: where it goes.
        body: the request's JSON, empty for a look at what an earlier request began.
        streamed: whether the answer comes as a stream.
        location: the region of the endpoint, empty where it is unknown or there is none.
        start_ns: when it began, Unix nanoseconds; now when absent.

    Returns:
        The request, or `None` where no SDK is set up or it has been begun already.
    """
    if CURRENT.get() is not None:
        return None
    if start_ns is None:
        start_ns = time_ns()
    context, parent = frames.place(context_api.get_current())
    provider = semconv.PROVIDER_VERTEX if vertex else semconv.PROVIDER_GEMINI
    prints = _NO_PRINTS
    if body:
        prints = request_prints(active.fingerprinter, body, parent.answers if parent is not None else None)
    peer = peers.find(active, switch.tracer, context)
    on_peer = peer is not None and peer.takes()
    if peer is not None and on_peer:
        frame = active.open(endpoint.kind, endpoint.model, peer.span, start_ns, parent)
        attributes: Attributes = {}
    else:
        attributes = _attributes(endpoint, body, streamed=streamed)
        started = switch.start(
            active,
            endpoint.kind,
            endpoint.model,
            endpoint.span_name,
            _at_start(endpoint, provider, base_url),
            start_ns,
            context,
            parent,
            span_kind=_CLIENT,
        )
        if started is None:
            return None
        frame = started
        context = frames.enter(frame, context)
    exchange = None
    if active.settings.capture_content != "no_content" and endpoint.kind is _INFERENCE:
        exchange = Exchange(body)
    call = Call(
        active,
        frame,
        context,
        peer,
        endpoint,
        provider,
        prints,
        exchange,
        attributes,
        location,
        on_peer=on_peer,
        streamed=streamed,
    )
    call.answer.declare(body.get("tools"))
    if endpoint.output_type == "video":
        call.ordered = videos.ordered(body)
    if peer is not None and on_peer:
        peer.mark.in_flight = call.abandon
    return call


def _at_start(endpoint: Endpoint, provider: str, base_url: str) -> Attributes:
    """What the conventions want at a span's start, for samplers."""
    attributes: Attributes = {
        semconv.OPERATION_NAME: endpoint.operation,
        semconv.PROVIDER_NAME: provider,
        semconv.REQUEST_MODEL: endpoint.model,
    }
    host, port = _server(base_url)
    if host:
        attributes[semconv.SERVER_ADDRESS] = host
    if port:
        attributes[semconv.SERVER_PORT] = port
    return attributes


def _attributes(endpoint: Endpoint, body: Mapping[str, Any], *, streamed: bool) -> Attributes:
    """What else its span says of a request."""
    attributes: Attributes = {}
    if streamed:
        attributes[semconv.REQUEST_STREAM] = True
    if endpoint.output_type is not None:
        attributes[semconv.OUTPUT_TYPE] = endpoint.output_type
    generation = body.get("generationConfig") or body.get("generation_config")
    if generation.__class__ is dict or isinstance(generation, Mapping):  # the latter alone takes 2,000 instructions
        _add_generation(attributes, cast("Mapping[str, Any]", generation))
    if endpoint.kind is _EMBEDDINGS:
        _add_embedding(attributes, body)
    elif (previous := body.get("previous_interaction_id")) is not None:
        attributes[semconv.REQUEST_PREVIOUS_RESPONSE_ID] = str(previous)
    return attributes


def _add_generation(attributes: Attributes, config: Mapping[str, Any]) -> None:
    rest = False
    for key, value in config.items():
        name = _GENERATION.get(key)
        if name is None:
            rest = True
        elif isinstance(value, (int, float)):
            attributes[name] = int(value) if name in _WHOLE else value
    if rest:
        _add_rest(attributes, config)


def _add_rest(attributes: Attributes, config: Mapping[str, Any]) -> None:
    count = config.get("candidateCount")
    if isinstance(count, int) and count != 1:
        attributes[semconv.REQUEST_CHOICE_COUNT] = count
    thinking = config.get("thinkingConfig")
    options = cast("Mapping[str, Any]", thinking) if isinstance(thinking, Mapping) else config
    level = next((options[key] for key in _THINKING if options.get(key) is not None), None)
    if level is not None:
        attributes[semconv.REQUEST_REASONING_LEVEL] = _word(level)
    modalities = config.get("responseModalities")
    if isinstance(modalities, list) and len(cast("list[Any]", modalities)) == 1:
        attributes[semconv.OUTPUT_TYPE] = _word(cast("list[Any]", modalities)[0]).lower()
    elif config.get("responseMimeType") == "application/json":
        attributes[semconv.OUTPUT_TYPE] = "json"


def _word(value: object) -> str:
    return str(value.value if isinstance(value, Enum) else value)


def _add_embedding(attributes: Attributes, body: Mapping[str, Any]) -> None:
    requests = body.get("requests")
    first = cast("list[Any]", requests)[0] if isinstance(requests, list) and requests else body
    for holder in (first, body.get("embedContentConfig"), body.get("parameters")):
        size = cast("Mapping[str, Any]", holder).get("outputDimensionality") if isinstance(holder, Mapping) else None
        if isinstance(size, int):
            attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = size
            return


@lru_cache(maxsize=256)
def _server(base_url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", 0
    return host, port or (443 if parts.scheme == "https" else 80)
