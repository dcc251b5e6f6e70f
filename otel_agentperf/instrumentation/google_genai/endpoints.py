"""Which of the SDK's HTTP requests are billed model requests, told from method and path.

The text after the path's last colon decides. Counting tokens, files, caches, tuning, polling
and the submission of batch jobs are no inferences.
"""

from __future__ import annotations

import re
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
    """The last part of the resource."""
    span_name: str
    output_type: str | None = None
    tuned: str = ""
    """The whole resource where it is a tuned model or an endpoint, whose price no list has."""


CACHED_CONTENTS = "cachedContents"
_MEDIA = {"predict": "image", "predictLongRunning": "video"}
_TUNED = ("tunedModels/", "endpoints/")
_LOCATION = re.compile(r"(?:^|/)locations/([^/?:]+)")


@lru_cache(maxsize=1024)
def _by_path(path: str) -> Endpoint | None:
    resource, colon, method = path.partition("?")[0].rpartition(":")
    if not colon:
        return None
    if method in ("generateContent", "streamGenerateContent"):
        return _endpoint(OperationKind.INFERENCE, resource)
    if method in ("embedContent", "batchEmbedContents"):
        return _endpoint(OperationKind.EMBEDDINGS, resource)
    if method in _MEDIA:
        return _endpoint(OperationKind.INFERENCE, resource, _MEDIA[method])
    return None


@lru_cache(maxsize=256)
def _embeddings(path: str) -> Endpoint:
    return _endpoint(OperationKind.EMBEDDINGS, path.rpartition(":")[0])


def _endpoint(kind: OperationKind, resource: str, output_type: str | None = None) -> Endpoint:
    operation = semconv.OP_EMBEDDINGS if kind is OperationKind.EMBEDDINGS else semconv.OP_GENERATE_CONTENT
    parent, _, model = resource.rpartition("/")
    tuned = resource if f"{parent}/".endswith(_TUNED) else ""
    return Endpoint(kind, operation, model, f"{operation} {model}", output_type, tuned)


@lru_cache(maxsize=256)
def interaction(model: str) -> Endpoint:
    """What an Interactions request is billed as.

    Args:
        model: the model, or the agent that is asked in its stead.
    """
    return _endpoint(OperationKind.INFERENCE, model)


@lru_cache(maxsize=256)
def location_in(path: str) -> str:
    """The region that a path or an address of Vertex AI names, such as `us-central1`; empty for none."""
    found = _LOCATION.search(path)
    return found[1] if found is not None else ""


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
            return _embeddings(path)
    return endpoint
