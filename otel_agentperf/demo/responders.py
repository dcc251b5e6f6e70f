"""Responders for tests and benchmarks: a fixed small answer, and failures before any other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from otel_agentperf.demo import replies
from otel_agentperf.demo.wire import Call, GeminiRequest, Reply, ResponderLike

LONG_WORDS = tuple(f"Line {line} of a long answer, as a report has it. " for line in range(20))


@dataclass(frozen=True, slots=True)
class FixedResponder:
    """The same small answer to every request of a kind, at once unless `latency_s` says else."""

    words: tuple[str, ...] = ("Hello ", "from ", "loopback.")
    """The answer; a stream sends each as one event."""
    tokens: replies.Tokens = replies.FEW
    latency_s: float = 0.0

    def __call__(self, request: GeminiRequest, /) -> Reply:
        """Answer what the request asks for; paths that are not Gemini's get a 404."""
        return self._answers().get(request.call, _unknown)(request)

    def _answers(self) -> dict[Call, Callable[[GeminiRequest], Reply]]:
        return {
            Call.GENERATE: lambda request: self._content(request, "".join(self.words)),
            Call.STREAM: lambda request: self._content(request, *self.words),
            Call.EMBED: replies.embeddings,
            Call.EMBED_BATCH: replies.embeddings,
            Call.COUNT: lambda _: Reply({"totalTokens": self.tokens.prompt}),
            Call.PREDICT: _predict,
            Call.CACHE: replies.cache,
            Call.INTERACTION: self._interaction,
        }

    def _content(self, request: GeminiRequest, *words: str) -> Reply:
        return replies.content(request, replies.text(*words), self.tokens, latency_s=self.latency_s)

    def _interaction(self, request: GeminiRequest) -> Reply:
        return replies.interaction(request, "".join(self.words), self.tokens, latency_s=self.latency_s)


def _predict(request: GeminiRequest) -> Reply:
    return replies.images(request) if "prompt" in str(request.body.get("instances")) else replies.embeddings(request)


def _unknown(request: GeminiRequest) -> Reply:
    return replies.error(404, f"no such method on loopback: {request.verb} {request.path}")


@dataclass(slots=True)
class FailFirst:
    """Answers the first requests with errors, one status each, and the rest by `then`."""

    statuses: Sequence[int]
    then: ResponderLike
    retry_after_s: float | None = None
    _left: list[int] = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Copy the statuses, so that the caller's list stays whole."""
        self._left = list(self.statuses)

    def __call__(self, request: GeminiRequest, /) -> Reply:
        """Fail while statuses are left."""
        with self._lock:
            status = self._left.pop(0) if self._left else None
        if status is None:
            return self.then(request)
        return replies.error(status, retry_after_s=self.retry_after_s)


@dataclass(slots=True)
class InOrder:
    """Answers each request with the next of `answers`: a reply, or what a responder makes of it."""

    answers: Sequence[Reply | ResponderLike]
    _next: int = field(init=False, default=0)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __call__(self, request: GeminiRequest, /) -> Reply:
        """Answer with the next one; when none is left, a 500 says so."""
        with self._lock:
            place = self._next
            self._next += 1
        if place >= len(self.answers):
            return replies.error(500, f"request {place + 1} was not expected: {request.path}")
        answer = self.answers[place]
        return answer if isinstance(answer, Reply) else answer(request)
