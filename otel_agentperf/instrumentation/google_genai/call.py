"""The life of one billed Gemini request, from before it is sent to its last chunk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from time import perf_counter_ns, time_ns
from typing import Any

from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.google_genai.answer import Answer
from otel_agentperf.instrumentation.google_genai.applied import Applied
from otel_agentperf.instrumentation.google_genai.endpoints import Endpoint
from otel_agentperf.instrumentation.google_genai.messages import Exchange
from otel_agentperf.instrumentation.google_genai.peers import Peer
from otel_agentperf.instrumentation.google_genai.prints import RequestPrints
from otel_agentperf.instrumentation.patching import error_type
from otel_agentperf.instrumentation.switch import leave
from otel_agentperf.live.answers import Pieces
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.operations import operation_of
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import Cost, CostStatus, Inference, OperationKind, ServiceTier, Usage
from otel_agentperf.pricing.tiers import tier_named

_FIRST_ERROR = 400
_TOO_MANY_REQUESTS = 429
_TIER_HEADER = "x-gemini-service-tier"
_INFERENCE, _PRICED = OperationKind.INFERENCE, CostStatus.PRICED
CURRENT: ContextVar[Call | None] = ContextVar("otel_agentperf_gemini_call", default=None)
"""The request that the SDK is working on: its attempts belong to it, and it is not begun twice."""


class Call:
    """One billed request: its frame, its answer so far, its HTTP attempts.

    Args:
        pipeline: where it is reported.
        frame: its frame, on a span of our own or on a peer's.
        context: what is current while the SDK works on it.
        peer: the peer's span that stands around it, if there is one.
        on_peer: whether the peer's span is its span too.
        endpoint: what is requested.
        provider: `gcp.gemini` or `gcp.vertex_ai`.
        prints: the request's fingerprints.
        exchange: collects its content, where that is asked for.
        attributes: what its span will say of the request as it ends.
        location: the region of the endpoint, empty where it is unknown or there is none.
        streamed: whether the answer comes as a stream.
    """

    __slots__ = (
        "_attributes",
        "_call_token",
        "_context",
        "_context_token",
        "_counted",
        "_done",
        "_exchange",
        "_first_chunk_ns",
        "_last_attempt_end_ns",
        "_location",
        "_on_peer",
        "_peer",
        "_pipeline",
        "_prints",
        "_provider",
        "_rate_limited",
        "_retry_wait_ns",
        "_streamed",
        "answer",
        "applied",
        "attempts",
        "before_end",
        "endpoint",
        "ends_above",
        "frame",
        "headers",
        "ordered",
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
        exchange: Exchange | None,
        attributes: Attributes,
        location: str,
        *,
        on_peer: bool,
        streamed: bool,
    ) -> None:
        self._pipeline = pipeline
        self.frame = frame
        self._context = context
        self._peer = peer
        self._on_peer = on_peer
        self.endpoint = endpoint
        self._provider = provider
        self._prints = prints
        self._exchange = exchange
        self._attributes = attributes
        self._location = location
        self._streamed = streamed
        self.answer = Answer()
        self.applied: Applied | None = None
        """What is done with it, at a node that the user has named."""
        self.ends_above = False
        """Whether the method of the SDK that makes objects of the answer ends it; see `conversion`."""
        self.attempts = 0
        self._last_attempt_end_ns = 0
        self._rate_limited = 0
        self._retry_wait_ns = 0
        self._first_chunk_ns: int | None = None
        self._done = False
        self._counted = True
        self.headers: Mapping[str, str] | None = None
        """The response's, which name the tier that served it where the body does not."""
        self.ordered: Usage | None = None
        """What was ordered, where the answer comes before that is made."""
        self.before_end: Callable[[Call], None] | None = None
        """Looks at the answer once all of it has come."""

    # -- the context while the SDK works ---------------------------------------------------

    def enter(self) -> None:
        """Make this the current request and its span the current span."""
        self._context_token: Token[Context] = context_api.attach(self._context)
        self._call_token: Token[Call | None] = CURRENT.set(self)

    def leave(self) -> None:
        """Go back to where `enter` was called."""
        try:
            CURRENT.reset(self._call_token)
        except ValueError:
            return  # a coroutine that is destroyed from outside: its context is gone with it
        leave(self._context_token)

    # -- what comes back -------------------------------------------------------------------

    @property
    def is_streamed(self) -> bool:
        """Whether the answer comes as a stream."""
        return self._streamed

    @property
    def on_peer(self) -> bool:
        """Whether another instrumentation's span is its span."""
        return self._on_peer

    @property
    def has_begun(self) -> bool:
        """Whether a chunk of a stream has come."""
        return self._first_chunk_ns is not None

    def first_chunk(self) -> None:
        """Note the time to the first chunk of a stream."""
        if self._first_chunk_ns is None:
            self._first_chunk_ns = time_ns()
            self.frame.answers.keep(self.frame.span_id, Pieces())  # on its way: what it will be is not known

    def take(self, response: Any) -> None:
        """Take in the SDK's response, or one chunk of a stream; only its body is looked at."""
        began_ns = perf_counter_ns()
        try:
            if self._streamed:
                self.first_chunk()
            self.headers = response.headers
            body = response.body
            if body:
                self.answer.take(body)
                if self.applied is not None:
                    self.applied.answered(body)
                if self._exchange is not None:
                    self._exchange.answered(body)
        except Exception as error:  # noqa: BLE001 - a response that we cannot read is the program's all the same
            guard.report("google_genai.response", error)
        finally:
            guard.spend(began_ns)

    def say(self, attributes: Attributes) -> None:
        """Add to what its span will say as it ends."""
        self._attributes.update(attributes)

    def keep(self, body: bytes) -> None:
        """Keep a body whose facts were taken in already, where its content is asked for."""
        if self._exchange is not None:
            self._exchange.answered(body)

    def keep_text(self, text: str) -> None:
        """Keep a piece of text that an interaction streams, where its content is asked for."""
        if self._exchange is not None:
            self._exchange.streamed(text)

    def counted_later(self, reason: str) -> None:
        """Leave it to another span to count the request; a peer's span, which is counted, says that it is unpriced.

        Args:
            reason: where the usage and the cost will stand, for people.
        """
        self.answer.no_usage = reason
        self._counted = self._on_peer

    # -- the end ---------------------------------------------------------------------------

    def answered(self) -> None:
        """The whole answer has come, as text."""
        if not self.ends_above:
            self._end(None, abandoned=False)

    def left(self) -> None:
        """The stream of texts was closed: by the program, or since one of them could not be read."""
        if not self.ends_above:
            self._end(None, abandoned=True)

    def finish(self) -> None:
        """The answer is complete."""
        self._end(None, abandoned=False)

    def abandon(self) -> None:
        """The caller has left the stream; what has come so far is what is counted."""
        self._end(None, abandoned=True)

    def fail(self, error: BaseException) -> None:
        """The request ended with an error, or was cancelled."""
        self._end(error, abandoned=False)

    def _end(self, error: BaseException | None, *, abandoned: bool) -> None:
        if self._done:
            return
        self._done = True
        began_ns = perf_counter_ns()
        try:
            self._report(error, abandoned=abandoned)
        except Exception as failure:  # noqa: BLE001 - an error of ours must not reach the program
            if not self._on_peer:
                self._pipeline.drop(self.frame)
            guard.report("google_genai.end", failure)
        finally:
            guard.spend(began_ns)

    def _report(self, error: BaseException | None, *, abandoned: bool) -> None:
        answer = self.answer
        if self.before_end is not None:
            self.before_end(self)
        attributes = self._attributes
        failed, outcome = self._ending(error, abandoned=abandoned)
        if answer.response_id is not None:
            attributes[semconv.RESPONSE_ID] = answer.response_id
        if self._exchange is not None:
            self._exchange.finish(attributes, self._pipeline, self.frame.span)
        usage = answer.usage
        if usage is None and failed is None:
            usage = self.ordered
        cost = self._cost(usage) if failed is None or usage is not None else None
        inference = self._inference(answer)
        peer = self._peer
        operation = None
        if not self._on_peer:
            operation = self._pipeline.close(
                self.frame,
                attributes,
                error_type=failed,
                outcome=outcome,
                usage=usage,
                cost=cost,
                inference=inference,
                semconv_metrics=peer is None or not peer.mark.measured,
                counted=self._counted,
            )
            if peer is not None and self._counted:
                peer.finished(self._pipeline, operation)
        elif peer is not None:
            operation = operation_of(
                self.frame, error_type=failed, outcome=outcome, usage=usage, cost=cost, inference=inference
            )
            peer.carried(self._pipeline, self.frame, operation, attributes)
        if self.applied is not None and operation is not None:
            self.applied.ended(operation)
        if answer.has_content and self.endpoint.kind is _INFERENCE:
            self.frame.answers.keep(self.frame.span_id, answer.pieces())

    def _ending(self, error: BaseException | None, *, abandoned: bool) -> tuple[str | None, str | None]:
        """With what error it ended, and how where that is no error."""
        if error is not None:
            if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
                return self.answer.error_type, "cancelled"
            return _failure(error, self._attributes), None
        if not abandoned:
            return self.answer.error_type, None
        self._attributes[semconv.STREAM_ABANDONED] = True
        return self.answer.error_type, "abandoned"

    def _inference(self, answer: Answer) -> Inference:
        first_ns = self._first_chunk_ns
        prints = self._prints
        return Inference(
            self._provider,
            self.endpoint.model,
            answer.model,
            self._streamed,
            first_ns - self.frame.start_ns if first_ns is not None else None,
            answer.finish_reasons,
            prints.hash,
            prints.prefix_hashes,
            answer.print(self._pipeline.fingerprinter),
            answer.kind,
            max(1, self.attempts),
            prints.prefix_sizes,
            prints.size,
            answer.function_calls,
            prints.uses,
            self._rate_limited,
            self._retry_wait_ns,
            self._location,
        )

    def _cost(self, usage: Usage | None) -> Cost:
        """The price of the model that answered; of the one asked for, where it is the user's own or a tuned one."""
        if usage is None:
            return Cost(CostStatus.UNPRICED, reason=self.answer.no_usage)
        answer, endpoint, prices = self.answer, self.endpoint, self._pipeline.prices
        when_ns, tier, provider, location = self.frame.start_ns, answer.tier, self._provider, self._location
        if tier is None:
            tier = _tier_in(self.headers)
        own = endpoint.model in prices.own_models
        if answer.model is not None and not own and not endpoint.tuned:
            cost = prices.price(provider, answer.model, usage, tier, when_ns=when_ns, location=location)
            if cost.status is _PRICED:
                return cost
        asked = endpoint.model if own else endpoint.tuned or endpoint.model
        return prices.price(provider, asked, usage, tier, when_ns=when_ns, location=location)

    # -- HTTP attempts ---------------------------------------------------------------------

    def attempt(self, started_ns: int, status_code: int | None, error: BaseException | None) -> None:
        """Note one HTTP attempt; a first one that succeeds is the request itself and no event.

        Args:
            started_ns: when it began, Unix nanoseconds.
            status_code: the HTTP status, where the attempt ended with a response.
            error: what it raised.
        """
        ended_ns = time_ns()
        self.attempts += 1
        wait_ns = started_ns - self._last_attempt_end_ns if self._last_attempt_end_ns else 0
        self._last_attempt_end_ns = ended_ns
        self._retry_wait_ns += wait_ns
        if self.attempts == 1 and error is None and status_code in (None, 200):
            return
        code = _status(error) if error is not None else status_code or 200
        if code == _TOO_MANY_REQUESTS:
            self._rate_limited += 1
        span = self.frame.span
        if not span.is_recording():
            return
        attributes: Attributes = {semconv.ATTEMPT_NUMBER: self.attempts, semconv.ATTEMPT_WAIT_S: wait_ns / 1e9}
        if code is not None:
            attributes[semconv.HTTP_STATUS_CODE] = code
        elif error is not None:
            attributes[semconv.ERROR_TYPE] = error_type(error)
        span.add_event(semconv.EVENT_ATTEMPT, attributes, ended_ns)


def _tier_in(headers: Mapping[str, str] | None) -> ServiceTier:
    """The tier that a response's headers name; standard where they name none."""
    if headers is None:
        return ServiceTier.STANDARD
    named = headers.get(_TIER_HEADER)
    if named is None:  # some HTTP clients keep names as the server spells them
        named = next((headers[name] for name in headers if name.lower() == _TIER_HEADER), "")
    return tier_named(named)


def _status(error: BaseException) -> int | None:
    """The HTTP status behind an error of the SDK: `code`, or `status_code` in Interactions."""
    for name in ("code", "status_code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    return None


def _failure(error: BaseException, attributes: Attributes) -> str:
    code = _status(error)
    if code is None or code < _FIRST_ERROR:  # an answer that could not be read may name its status, which was 200
        return error_type(error)
    attributes[semconv.HTTP_STATUS_CODE] = code
    return str(code)
