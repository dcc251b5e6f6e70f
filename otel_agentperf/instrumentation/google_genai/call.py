"""The life of one billed Gemini request, from before it is sent to its last chunk."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar, Token
from functools import lru_cache
from time import time_ns
from typing import Any, cast
from urllib.parse import urlsplit

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.google_genai import peers
from otel_agentperf.instrumentation.google_genai.endpoints import Endpoint
from otel_agentperf.instrumentation.google_genai.peers import Peer
from otel_agentperf.instrumentation.google_genai.prints import AnswerPrint, RequestPrints, request_prints
from otel_agentperf.instrumentation.patching import error_type
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import frames
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import Cost, CostStatus, Inference, OperationKind, ServiceTier, Usage
from otel_agentperf.pricing import gemini_usage
from otel_agentperf.pricing.gemini_usage import Response

CURRENT: ContextVar[Call | None] = ContextVar("otel_agentperf_gemini_call", default=None)
_GENERATION = (
    ("temperature", semconv.REQUEST_TEMPERATURE),
    ("topP", semconv.REQUEST_TOP_P),
    ("topK", semconv.REQUEST_TOP_K),
    ("maxOutputTokens", semconv.REQUEST_MAX_TOKENS),
    ("seed", semconv.REQUEST_SEED),
    ("frequencyPenalty", semconv.REQUEST_FREQUENCY_PENALTY),
    ("presencePenalty", semconv.REQUEST_PRESENCE_PENALTY),
)


class Call:
    """One billed request: its frame, what the response has said so far, its HTTP attempts."""

    __slots__ = (
        "_answer",
        "_call_token",
        "_context",
        "_context_token",
        "_done",
        "_finish_reasons",
        "_first_chunk_ns",
        "_kinds",
        "_last_attempt_end_ns",
        "_peer",
        "_pipeline",
        "_prints",
        "_provider",
        "_queries",
        "_response_model",
        "_tier",
        "_usage",
        "attempts",
        "endpoint",
        "frame",
        "streamed",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        frame: Frame,
        context: Context,
        peer: Peer | None,
        endpoint: Endpoint,
        provider: str,
        prints: RequestPrints,
        *,
        streamed: bool,
    ) -> None:
        self._pipeline = pipeline
        self.frame = frame
        self._context = context
        self._peer = peer
        self.endpoint = endpoint
        self._provider = provider
        self._prints = prints
        self.streamed = streamed
        self.attempts = 0
        self._last_attempt_end_ns = 0
        self._answer = AnswerPrint()
        self._first_chunk_ns: int | None = None
        self._usage: Usage | None = None
        self._tier = ServiceTier.STANDARD
        self._response_model: str | None = None
        self._finish_reasons: tuple[str, ...] = ()
        self._kinds: set[str] = set()
        self._queries: int = 0
        self._done = False

    # -- the context while the SDK works ---------------------------------------------------

    def enter(self) -> None:
        """Make this the current request and its span the current span."""
        self._context_token: Token[Context] = context_api.attach(self._context)
        self._call_token: Token[Call | None] = CURRENT.set(self)

    def leave(self) -> None:
        """Go back to where `enter` was called."""
        CURRENT.reset(self._call_token)
        context_api.detach(self._context_token)

    # -- what comes back -------------------------------------------------------------------

    def take(self, body: str | bytes | None) -> None:
        """Take in the body of the response, or one chunk of a stream."""
        try:
            if self.streamed and self._first_chunk_ns is None:
                self._first_chunk_ns = time_ns()
            if body:
                self.take_response(gemini_usage.decode_response(body))
        except Exception as error:  # noqa: BLE001 - a response that we cannot read is the program's all the same
            guard.report("google_genai.response", error)

    def take_response(self, response: Response) -> None:
        """Take in a decoded response or chunk; usage is cumulative, so the last one counts."""
        usage = gemini_usage.usage_of(response)
        if usage is not None:
            self._usage = usage
            self._tier = gemini_usage.service_tier(response.usage_metadata)
        self._response_model = response.model_version or self._response_model
        self._finish_reasons = gemini_usage.finish_reasons(response) or self._finish_reasons
        self._kinds.add(gemini_usage.response_kind((response,)))
        self._answer.add(response)

    # -- the end ---------------------------------------------------------------------------

    def finish(self, *, abandoned: bool = False) -> None:
        """The response is complete, or the caller has left the stream."""
        self._end(None, abandoned=abandoned)

    def abandon(self) -> None:
        """The span around this request ends before its stream does."""
        self._end(None, abandoned=True)

    def fail(self, error: BaseException) -> None:
        """The request ended with an error, or was cancelled."""
        self._end(error, abandoned=False)

    def _end(self, error: BaseException | None, *, abandoned: bool) -> None:
        if self._done:
            return
        self._done = True
        try:
            self._report(error, abandoned=abandoned)
        except Exception as failure:  # noqa: BLE001 - an error of ours must not reach the program
            guard.report("google_genai.end", failure)

    def _report(self, error: BaseException | None, *, abandoned: bool) -> None:
        cancelled = isinstance(error, asyncio.CancelledError)
        outcome = "cancelled" if cancelled else "abandoned" if abandoned else None
        attributes: Attributes = {}
        failed: str | None = None
        if error is not None and not cancelled:
            code = getattr(error, "code", None)
            if isinstance(code, int):
                attributes[semconv.HTTP_STATUS_CODE] = code
                failed = str(code)
            else:
                failed = error_type(error)
        if abandoned:
            attributes[semconv.STREAM_ABANDONED] = True
        start_ns = self.frame.start_ns
        first_ns = self._first_chunk_ns
        inference = Inference(
            self._provider,
            self.endpoint.model,
            self._response_model,
            self.streamed,
            first_ns - start_ns if first_ns is not None else None,
            self._finish_reasons,
            self._prints.hash,
            self._prints.simhash,
            self._prints.prefix_hashes,
            self._answer.result(self._pipeline.fingerprinter),
            _merge_kinds(self._kinds) if self._kinds else None,
            max(1, self.attempts),
        )
        cost = self._cost() if failed is None or self._usage is not None else None
        peer = self._peer
        pipeline = self._pipeline
        if peer is None:
            pipeline.close(
                self.frame,
                attributes,
                error_type=failed,
                outcome=outcome,
                usage=self._usage,
                cost=cost,
                inference=inference,
            )
            return
        operation = pipeline.operation(
            self.frame, error_type=failed, outcome=outcome, usage=self._usage, cost=cost, inference=inference
        )
        own_span = bool(peer.mark.requests)
        peer.mark.requests.append(operation)
        peer.mark.in_flight = None
        if own_span:
            pipeline.close(
                self.frame,
                attributes,
                error_type=failed,
                outcome=outcome,
                usage=self._usage,
                cost=cost,
                inference=inference,
                semconv_metrics=not peer.records_metrics,
                end_ns=operation.end_ns,
            )
            return
        news = pipeline.account(self.frame, operation, {})
        pipeline.add_cost(operation)
        if not peer.records_metrics:
            pipeline.measure(self.frame, operation)
        pipeline.announce(news, self.frame, operation.end_ns)

    def _cost(self) -> Cost | None:
        usage = self._usage
        if usage is None:
            return Cost(CostStatus.UNPRICED, reason="the response reports no usage")
        prices, when_ns = self._pipeline.prices, self.frame.start_ns
        if self._response_model is not None:
            cost = prices.price(self._provider, self._response_model, usage, self._tier, when_ns=when_ns)
            if cost.status is CostStatus.PRICED:
                return cost
        return prices.price(self._provider, self.endpoint.model, usage, self._tier, when_ns=when_ns)

    # -- HTTP attempts ---------------------------------------------------------------------

    def attempt(self, started_ns: int, status_code: int | None, error: BaseException | None) -> None:
        """Note one HTTP attempt; a first one that succeeds is the request itself and no event."""
        ended_ns = time_ns()
        self.attempts += 1
        wait_ns = started_ns - self._last_attempt_end_ns if self._last_attempt_end_ns else 0
        self._last_attempt_end_ns = ended_ns
        span = self.frame.span
        if (self.attempts == 1 and error is None and status_code is None) or not span.is_recording():
            return
        attributes: Attributes = {semconv.ATTEMPT_NUMBER: self.attempts, semconv.ATTEMPT_WAIT_S: wait_ns / 1e9}
        code = status_code if status_code is not None else getattr(error, "code", None)
        if isinstance(code, int):
            attributes[semconv.HTTP_STATUS_CODE] = code
        elif error is not None:
            attributes[semconv.ERROR_TYPE] = error_type(error)
        else:
            attributes[semconv.HTTP_STATUS_CODE] = 200
        span.add_event(semconv.EVENT_ATTEMPT, attributes, ended_ns)


def _merge_kinds(kinds: set[str]) -> str:
    """The kind of an answer from the kinds of its chunks."""
    kinds = kinds - {"empty"} if len(kinds) > 1 else kinds
    if len(kinds) == 1:
        return next(iter(kinds))
    if "media" in kinds:
        return "media"
    return "mixed" if kinds & {"function_call", "mixed"} else "blocked" if "blocked" in kinds else "text"


@guard.guarded("google_genai.begin", None)
def begin(
    switch: Switch,
    active: Pipeline,
    endpoint: Endpoint,
    *,
    vertex: bool,
    base_url: str,
    body: Mapping[str, Any],
    streamed: bool,
) -> Call | None:
    """Begin a billed request, on a span of our own or on a peer's.

    Args:
        switch: the instrumentation's.
        active: the pipeline.
        endpoint: what is requested.
        vertex: whether it goes to Vertex AI.
        base_url: where it goes.
        body: the request's JSON.
        streamed: whether the answer comes as a stream.
    """
    start_ns = time_ns()
    context = context_api.get_current()
    provider = semconv.PROVIDER_VERTEX if vertex else semconv.PROVIDER_GEMINI
    prints = request_prints(active.fingerprinter, body)
    peer = peers.find(active, switch.tracer, context)
    parent = frames.current(context)
    if peer is not None and not peer.mark.requests:
        frame = active.open(endpoint.kind, endpoint.model, peer.span, start_ns, parent)
    else:
        if peer is not None:
            peers.further_request(active, switch.tracer, peer, context)
        attributes = _attributes(endpoint, provider, base_url, body, streamed=streamed)
        if parent is not None and parent.run is not None and parent.run.session.id:
            attributes[semconv.CONVERSATION_ID] = parent.run.session.id
        started = switch.start(
            active,
            endpoint.kind,
            endpoint.model,
            endpoint.span_name,
            attributes,
            start_ns,
            context,
            span_kind=SpanKind.CLIENT,
        )
        if started is None:
            return None
        frame = started
        context = frames.enter(frame, context)
    call = Call(active, frame, context, peer, endpoint, provider, prints, streamed=streamed)
    if peer is not None:
        peer.mark.in_flight = call.abandon
    return call


def _attributes(
    endpoint: Endpoint, provider: str, base_url: str, body: Mapping[str, Any], *, streamed: bool
) -> Attributes:
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
    if streamed:
        attributes[semconv.REQUEST_STREAM] = True
    if endpoint.output_type is not None:
        attributes[semconv.OUTPUT_TYPE] = endpoint.output_type
    generation = body.get("generationConfig")
    if isinstance(generation, Mapping) and generation:
        _add_generation(attributes, cast("Mapping[str, Any]", generation))
    if endpoint.kind is OperationKind.EMBEDDINGS:
        _add_embedding(attributes, body)
    return attributes


def _add_generation(attributes: Attributes, config: Mapping[str, Any]) -> None:
    for key, name in _GENERATION:
        value = config.get(key)
        if isinstance(value, (int, float)):
            attributes[name] = int(value) if key == "topK" else value
    count = config.get("candidateCount")
    if isinstance(count, int) and count != 1:
        attributes[semconv.REQUEST_CHOICE_COUNT] = count
    thinking = config.get("thinkingConfig")
    if isinstance(thinking, Mapping):
        options = cast("Mapping[str, Any]", thinking)
        level = options.get("thinkingLevel", options.get("thinkingBudget"))
        if isinstance(level, (str, int)):
            attributes[semconv.REQUEST_REASONING_LEVEL] = str(level)
    modalities = config.get("responseModalities")
    if isinstance(modalities, list) and len(cast("list[Any]", modalities)) == 1:
        attributes[semconv.OUTPUT_TYPE] = str(cast("list[Any]", modalities)[0]).lower()
    elif config.get("responseMimeType") == "application/json":
        attributes[semconv.OUTPUT_TYPE] = "json"


def _add_embedding(attributes: Attributes, body: Mapping[str, Any]) -> None:
    requests = body.get("requests")
    first = cast("list[Any]", requests)[0] if isinstance(requests, list) and requests else body
    size = first.get("outputDimensionality") if isinstance(first, Mapping) else None
    if isinstance(size, int):
        attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] = size


@lru_cache(maxsize=256)
def _server(base_url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(base_url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", 0
