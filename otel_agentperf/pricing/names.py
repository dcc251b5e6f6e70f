"""The names of models and providers, in the forms that price lists use.

`models/x`, `publishers/google/models/x` and a Vertex resource path all mean `x`. Routers put the
provider before the model (`anthropic/x`, `vertex_ai/x`, `bedrock/us.anthropic.x-v1:0`), and
frameworks give their own name as the provider: both hide no price. A tuned model or an endpoint hides
what it was tuned from, so no list price can be found for it; it errs towards "unknown" rather than
guessing a base model from the name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

GOOGLE = "google"
TUNED_REASON = 'a tuned model or endpoint: its base model is not known; give its rates under [prices.models."{name}"]'
LOCAL_REASON = "{provider} runs models on your own machines, for which there is no list price"

_TUNED = re.compile(r"(?:^|/)(?:tunedModels|endpoints)/", re.IGNORECASE)
_PROJECT_MODEL = re.compile(r"^projects/[^/]+/locations/[^/]+/models/", re.IGNORECASE)
_PATH = re.compile(r"^(?:.*/)?models/", re.IGNORECASE)
_VENDOR_PREFIX = re.compile(r"^(?:(?:litellm|litellm_proxy|openai|google|google_genai|gemini|vertex_ai|vertex)/)+")
_BILLED_PER_REQUEST = re.compile(r"gemini-(?:live-|flash-|pro-)?[12]\.|gemini-pro$")

_PROVIDER_IDS = {
    "gcp.gemini": GOOGLE,
    "gcp.vertex_ai": GOOGLE,
    "gcp.gen_ai": GOOGLE,
    "google": GOOGLE,
    "gemini": GOOGLE,
    "vertex_ai": GOOGLE,
    "vertex_ai_beta": GOOGLE,
    "vertex": GOOGLE,
    "google_genai": GOOGLE,
    "aws.bedrock": "aws",
    "amazon": "aws",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "cohere_chat": "cohere",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "deepseek-ai": "deepseek",
    "text-completion-openai": "openai",
}
_BY_PART = (("google", GOOGLE), ("vertex", GOOGLE), ("gemini", GOOGLE), ("bedrock", "aws"), ("azure", "azure"))
"""What other spellings contain: `google-vertex`, `google.generative-ai`, `amazon-bedrock`, `azure-openai.chat`."""
FRAMEWORKS = frozenset(
    {
        "_other",
        "adk",
        "ag2",
        "agno",
        "ai_sdk",
        "autogen",
        "crewai",
        "custom",
        "dspy",
        "gcp.vertex.agent",
        "google_adk",
        "haystack",
        "instructor",
        "langchain",
        "langchain_core",
        "langfuse",
        "langgraph",
        "langsmith",
        "litellm",
        "litellm_proxy",
        "llama_index",
        "llamaindex",
        "logfire",
        "mastra",
        "openinference",
        "openlit",
        "openllmetry",
        "opentelemetry",
        "other",
        "pydantic-ai",
        "pydantic_ai",
        "semantic_kernel",
        "smolagents",
        "strands",
        "strands-agents",
        "traceloop",
        "unknown",
        "vercel",
        "vercel_ai_sdk",
    }
)
"""What frameworks and instrumentations write where the provider belongs: it says nothing of who sells the model."""
LOCAL = frozenset({"gpt4all", "llama.cpp", "llama_cpp", "lm_studio", "lmstudio", "localai", "ollama", "sglang", "vllm"})
_PROTOCOLS = frozenset({"openai", "anthropic", GOOGLE})
"""Providers whose clients are used for other makers' models too, at endpoints that understand the same requests."""
_GATEWAYS = frozenset({"openrouter"})
"""Sellers that pass on the maker's price."""
_MAKERS_OR_GATEWAYS = _PROTOCOLS | _GATEWAYS
_NO_PROVIDER = frozenset(
    {"chat", "completions", "converse", "converse_like", "global", "invoke", "models", "responses"}
)
"""Parts of a router's name that say how a model is called, not whose it is."""
_REGION = re.compile(r"[a-z]{2}(?:-gov)?-[a-z]+-\d")
_BEDROCK = re.compile(
    r"(?:(?:us|us-gov|eu|apac|jp|au|ca|global)\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|meta|minimax|mistral|moonshot|moonshotai|openai|qwen|writer|zai)\.[a-z]"
)


_NOT_KNOWN = "{!r} is no provider that is known here: the price of the model's maker is charged"


class Route(NamedTuple):
    """Where a model may be found in a price list."""

    provider: str | None
    """The seller's id in genai-prices; `None` for the model's maker, by the name alone."""
    name: str
    assumption: str | None = None
    """What a price that is found there rests on."""


def provider_id(provider: str) -> str | None:
    """Return the id that genai-prices has for a provider's name, `None` for no name and for a framework's.

    Args:
        provider: a `gen_ai.provider.name` of the conventions, or a name genai-prices knows.
    """
    name = provider.strip().lower()
    if name in FRAMEWORKS or not name:
        return None
    found = _PROVIDER_IDS.get(name)
    return found if found is not None else next((id_ for part, id_ in _BY_PART if part in name), name)


def sold_by_google(provider: str, model: str) -> bool:
    """Return whether a model is Google's own, by its provider and its name.

    A Gemini model under the name of another maker's client is called at Google's compatible endpoint.
    """
    seller = provider_id(provider)
    return seller in (None, GOOGLE) or (
        seller in _PROTOCOLS and without_vendor(plain_name(model)).startswith("gemini-")
    )


def grounding_per_request(model: str) -> bool:
    """Whether a search is billed once per request (Gemini 2.5 and older) and not per query.

    Source: https://ai.google.dev/gemini-api/docs/google-search#pricing.
    """
    return _BILLED_PER_REQUEST.match(model) is not None


def is_tuned(name: str) -> bool:
    """Whether the name is that of a tuned model or endpoint, whose base is not known.

    A model in a project's own registry (`projects/p/locations/l/models/123`) counts as one.
    """
    return _TUNED.search(name) is not None or _PROJECT_MODEL.match(name) is not None


def plain_name(name: str) -> str:
    """Return the name without its resource path, in lower case.

    Args:
        name: as a request or a response has it, such as `publishers/google/models/gemini-2.5-pro`.
    """
    return _PATH.sub("", name.strip()).lower()


def without_vendor(name: str) -> str:
    """Return a plain name without the `google/` or `vertex_ai/` that gateways put before a Gemini model."""
    return _VENDOR_PREFIX.sub("", name)


def routes(provider: str, model: str, seller_id: Callable[[str], str | None]) -> list[Route]:
    """Return where a model's price may be found, the likeliest first.

    A known seller's own list comes first, then that of the provider before the name, then the
    maker's. A reseller that has no price for a model gets none of another seller's.

    Args:
        provider: as the span or the request names it; may be empty or a framework's.
        model: as the span or the request names it.
        seller_id: gives a seller's id in genai-prices by any of its names, `None` where it has no such seller.
    """
    rest = plain_name(model)
    stated = provider_id(provider)
    seller = None if stated is None else seller_id(stated)
    doubt = _NOT_KNOWN.format(provider) if seller is None and stated is not None else None
    forms = dict.fromkeys((rest, model.strip().lower()))
    found = [Route(seller, form) for form in forms if seller is not None]
    resold = seller is not None and seller not in _MAKERS_OR_GATEWAYS
    while "/" in rest:
        head, _, rest = rest.partition("/")
        named = None if _says_how(head) else provider_id(head)
        if named is None:
            continue
        via = seller_id(named)
        if resold and via != seller:
            return found
        if via is not None:
            if seller in _GATEWAYS:
                doubt = f"{seller} has no price for it in the list: the price of {via} is charged"
            seller, resold = via, via not in _MAKERS_OR_GATEWAYS
            found.append(Route(via, rest, doubt))
        else:
            doubt = _NOT_KNOWN.format(head)
    if _BEDROCK.match(rest) and not (resold and seller != "aws"):
        return [*found, Route("aws", rest)]
    if seller is not None:
        found.append(Route(seller, rest, doubt))
    if not resold:
        found.append(Route(None, rest, doubt or _doubt(seller, rest)))
    return found


def _says_how(head: str) -> bool:
    """Return whether a part of a router's name says how or where a model is called, not by whom it is sold."""
    return head in _NO_PROVIDER or head.startswith("arn:") or _REGION.fullmatch(head) is not None


def _doubt(seller: str | None, name: str) -> str | None:
    """Return what the price of a model's maker rests on, where its seller is said to be another one."""
    if seller in _GATEWAYS:
        return f"{seller} has no price for it in the list: the price of its maker is charged"
    if seller in _PROTOCOLS and not name.startswith("gemini-"):
        return f"{seller} has no model of this name: the price of its maker is charged"
    return None
