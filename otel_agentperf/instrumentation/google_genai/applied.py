"""Advice applied at the seam: another model in the request's path, a time-out in its options.

Only `generateContent` and its stream, of a general Gemini model by its own name, at a node that
the user has named; see `compatible` for what is let through. The program's objects stay as they
are: path, options and, at its top, the body are copied. The SDK's retries are of the same request.

What the model that is tried refuses outright (400, 403, 404, 429: nothing was answered, and nothing
is billed) is asked again as the program asked it; so a stream too, before its first chunk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import time_ns
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import context as context_api

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.google_genai import compatible
from otel_agentperf.instrumentation.google_genai.endpoints import Endpoint, classify
from otel_agentperf.live import frames
from otel_agentperf.live.applying import Applying
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.lots import TREATED, Decided
from otel_agentperf.model import Operation

if TYPE_CHECKING:
    from otel_agentperf.instrumentation.google_genai.call import Call
    from otel_agentperf.live.pipeline import Pipeline

_PATH = re.compile(r"((?:(?:.*/)?publishers/google/)?models/)([^/:]+)(:(?:stream)?[gG]enerateContent(?:\?.*)?)")
_REFUSALS = frozenset({400, 403, 404, 429})
_TIMEOUT_HEADER = "x-server-timeout"
_MS = 1_000


class Applied:
    """What is done with one request at a node that the user has named, also where that is nothing.

    Attributes:
        endpoint: what is asked in fact.
        request: path, body and options that go to the SDK.
    """

    __slots__ = ("_applying", "_asked", "_call", "_decided", "_pipeline", "endpoint", "request")

    def __init__(
        self,
        pipeline: Pipeline,
        applying: Applying,
        decided: Decided,
        endpoint: Endpoint,
        asked: str,
        request: tuple[Any, Any, Any],
    ) -> None:
        self._pipeline, self._applying, self._decided, self._asked = pipeline, applying, decided, asked
        self.endpoint = endpoint
        self.request = request
        self._call: Call | None = None

    def opened(self, call: Call) -> None:
        """Take note of the request, which has begun."""
        decided = self._decided
        self._call = call
        call.applied = self
        self._pipeline.teller.advice_used(decided.graph, decided.node, decided.decision, decided.reason)
        if decided.decision != TREATED:
            return
        applied: list[str] = []
        attributes: Attributes = {}
        if decided.model is not None:
            applied.append("model")
            # On another instrumentation's span the model that it was told of gives way to the one that is billed.
            attributes[semconv.REQUEST_MODEL] = decided.model
            attributes[semconv.REQUEST_MODEL_ASKED] = self._asked
            self._pipeline.requests.remember(call.frame, self._asked)
        if decided.timeout_s is not None:
            applied.append("timeout")
            attributes[semconv.ADVICE_TIMEOUT] = decided.timeout_s
        attributes[semconv.ADVICE_APPLIED] = tuple(applied)
        call.say(attributes)

    def answered(self, body: str | bytes) -> None:
        """Take in an answer, or a piece of one, of the model that is tried."""
        if self._decided.model is not None:
            self._applying.sign(self._decided.use, compatible.signatures_in(body))

    @guard.guarded("google_genai.applied", None, timed=False)
    def ended(self, operation: Operation) -> None:
        """Take in what came of the request."""
        self._applying.note(self._decided.use, operation)

    @guard.guarded("google_genai.undone", default=False, timed=False)
    def undone(self, error: BaseException) -> bool:
        """Whether the request shall be asked again as the program asked it, since the other model refused it."""
        if self._decided.model is None or getattr(error, "code", None) not in _REFUSALS:
            return False
        happened = self._applying.refuse(self._decided.use)
        if self._call is not None:
            self._pipeline.teller.taken_back(happened, self._call.frame.parent)
        return True


@guard.guarded("google_genai.apply", None, timed=False)
def consider(
    pipeline: Pipeline,
    applying: Applying,
    client: Any,
    http_method: Any,
    path: Any,
    body: Mapping[str, Any],
    options: Any,
    request: Any,
) -> Applied | None:
    """Decide what is done with a request.

    Args:
        pipeline: the pipeline.
        applying: its trials.
        client: the SDK's.
        http_method: the request's.
        path: the request's.
        body: its JSON.
        options: its own options, if it has any.
        request: the object that holds the body, as the SDK was given it.

    Returns:
        `None` where it is none of ours.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    _, frame = frames.place(context_api.get_current())
    if frame is None:
        return None
    before, asked, after = found.groups()
    theirs = _options(options), _options(getattr(client, "_http_options", None))

    def why_not(model: str, own: frozenset[str] | None) -> str | None:
        if any(each.get("extra_body") for each in theirs):
            return "extra_body"
        return compatible.why_not(body, asked, model, own)

    decided = applying.decide(
        frame,
        semconv.PROVIDER_VERTEX if client.vertexai else semconv.PROVIDER_GEMINI,
        asked,
        why_not,
        can_time_out=not any(_has_timeout(each) for each in theirs),
        when_ns=time_ns(),
    )
    if decided is None:
        return None
    sent = request
    if decided.model is not None:
        path = f"{before}{decided.model}{after}"
        sent = dict(body)
    if decided.timeout_s is not None:
        options = _with_timeout(options, decided.timeout_s)
    endpoint = classify(http_method, path, body)
    if endpoint is None:
        return None
    return Applied(pipeline, applying, decided, endpoint, asked, (path, sent, options))


def _options(options: Any) -> Mapping[str, Any]:
    """The options that matter here, from a dictionary or one of the SDK's objects."""
    if isinstance(options, Mapping):
        return cast("Mapping[str, Any]", options)
    return {name: getattr(options, name, None) for name in ("timeout", "headers", "extra_body")}


def _has_timeout(options: Mapping[str, Any]) -> bool:
    headers: Any = options.get("headers") or {}
    return options.get("timeout") is not None or any(str(name).lower() == _TIMEOUT_HEADER for name in headers)


def _with_timeout(options: Any, timeout_s: float) -> Any:
    """A copy of the options with a time-out, which the SDK takes in milliseconds."""
    timeout_ms = max(1, round(timeout_s * _MS))
    if options is None:
        return {"timeout": timeout_ms}
    if isinstance(options, Mapping):
        return {**cast("Mapping[str, Any]", options), "timeout": timeout_ms}
    return options.model_copy(update={"timeout": timeout_ms})
