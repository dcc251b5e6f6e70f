"""What a convention says of one span, and what names mean across conventions."""

from __future__ import annotations

import msgspec

from otel_agentperf import semconv
from otel_agentperf.model import Cost, Inference, NodeStep, OperationKind, ToolCall, Usage

PROVIDERS = {
    "gcp.gen_ai": semconv.PROVIDER_GEMINI,
    "gemini": semconv.PROVIDER_GEMINI,
    "google": semconv.PROVIDER_GEMINI,
    "google_genai": semconv.PROVIDER_GEMINI,
    "google_generativeai": semconv.PROVIDER_GEMINI,
    "google_vertexai": semconv.PROVIDER_VERTEX,
    "vertex_ai": semconv.PROVIDER_VERTEX,
    "vertexai": semconv.PROVIDER_VERTEX,
}
"""What instrumentations call Google's two endpoints, by the names of the conventions."""


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What one convention's attributes say of an operation."""

    kind: OperationKind
    name: str
    usage: Usage | None = None
    cost: Cost | None = None
    inference: Inference | None = None
    tool: ToolCall | None = None
    node: NodeStep | None = None


def provider(name: str | None) -> str:
    """The conventions' name of a provider."""
    return "" if name is None else PROVIDERS.get(name, name)
