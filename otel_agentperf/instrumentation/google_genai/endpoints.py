"""Which of the SDK's HTTP requests are billed model requests, told from method and path.

The text after the path's last colon decides. Counting tokens, files, caches, tuning, polling
and the submission of batch jobs are no inferences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from otel_agentperf import semconv
from otel_agentperf.model import OperationKind


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A billed request's kind, its operation name and its model."""

    kind: OperationKind
    operation: str
    model: str
    span_name: str
    output_type: str | None = None


CACHED_CONTENTS = "cachedContents"
_MEDIA = {"predict": "image", "predictLongRunning": "video"}


@lru_cache(maxsize=1024)
def _by_path(path: str) -> Endpoint | None:
    resource, colon, method = path.partition("?")[0].rpartition(":")
    if not colon:
        return None
    model = resource.rpartition("/")[2]
    if method in ("generateContent", "streamGenerateContent"):
        return _endpoint(OperationKind.INFERENCE, semconv.OP_GENERATE_CONTENT, model)
    if method in ("embedContent", "batchEmbedContents"):
        return _endpoint(OperationKind.EMBEDDINGS, semconv.OP_EMBEDDINGS, model)
    if method in _MEDIA:
        return _endpoint(OperationKind.INFERENCE, semconv.OP_GENERATE_CONTENT, model, _MEDIA[method])
    return None


@lru_cache(maxsize=256)
def _embeddings(model: str) -> Endpoint:
    return _endpoint(OperationKind.EMBEDDINGS, semconv.OP_EMBEDDINGS, model)


def _endpoint(kind: OperationKind, operation: str, model: str, output_type: str | None = None) -> Endpoint:
    return Endpoint(kind, operation, model, f"{operation} {model}", output_type)


def classify(http_method: str, path: str, body: Mapping[str, Any]) -> Endpoint | None:
    """Tell a billed model request from everything else.

    Args:
        http_method: as the SDK spells it, in either case.
        path: below the API version, such as ``models/gemini-2.5-flash:generateContent``.
        body: the request's JSON; Vertex's `predict` serves embeddings and images alike.

    Returns:
        What is billed, or `None`.
    """
    if http_method not in ("post", "POST"):
        return None
    endpoint = _by_path(path)
    if endpoint is not None and endpoint.output_type == "image":
        instances = body.get("instances")
        first = cast("list[Any]", instances)[0] if isinstance(instances, list) and instances else None
        if isinstance(first, Mapping) and "content" in first:
            return _embeddings(endpoint.model)
    return endpoint
