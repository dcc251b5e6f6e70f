"""What a convention says of one span, and what names mean across conventions."""

from __future__ import annotations

import msgspec

from otel_agentperf import semconv
from otel_agentperf.model import Cost, Inference, NodeStep, OperationKind, ToolCall, Usage

PROVIDERS = {
    "gcp.gen_ai": semconv.PROVIDER_GEMINI,
    "gemini": semconv.PROVIDER_GEMINI,
    "google": semconv.PROVIDER_GEMINI,
    "google-gla": semconv.PROVIDER_GEMINI,
    "google_genai": semconv.PROVIDER_GEMINI,
    "google_generativeai": semconv.PROVIDER_GEMINI,
    "google_ai_studio": semconv.PROVIDER_GEMINI,
    "google-cloud": semconv.PROVIDER_VERTEX,
    "google-vertex": semconv.PROVIDER_VERTEX,
    "google_vertexai": semconv.PROVIDER_VERTEX,
    "vertex_ai": semconv.PROVIDER_VERTEX,
    "vertexai": semconv.PROVIDER_VERTEX,
    "openai": "openai",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "anthropic": "anthropic",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "groq": "groq",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "perplexity": "perplexity",
    "xai": "x_ai",
}
"""What instrumentations call the endpoints, in lower case, by the names of the conventions."""


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What one convention's attributes say of an operation."""

    kind: OperationKind
    name: str
    usage: Usage | None = None
    cost: Cost | None = None
    inference: Inference | None = None
    tool: ToolCall | None = None
    node: NodeStep | None = None
    agent: str = ""
    """The agent for which it ran, by its own word."""


def agent_or_graph(
    kind: OperationKind, name: str, usage: Usage | None, cost: Cost | None, provider_name: str | None, model: str | None
) -> Facts:
    """What the span of an agent or graph says, with the usage that it reports for all of its requests.

    Args:
        kind: which of the two it is.
        name: its name.
        usage: the tokens that its span reports.
        cost: the cost that its span states.
        provider_name: what the span calls the provider.
        model: the model that it names.
    """
    if usage is not None and not usage.input_tokens and not usage.output_tokens:
        usage = None
    if usage is None and cost is None:
        return Facts(kind, name)
    return Facts(kind, name, usage, cost, Inference(provider(provider_name), model or ""))


def provider(name: str | None) -> str:
    """The conventions' name of a provider."""
    if name is None:
        return ""
    return PROVIDERS.get(name) or PROVIDERS.get(name.lower(), name)
