"""The names of models and providers, in the forms that price lists use.

`models/x`, `publishers/google/models/x` and a Vertex resource path all mean `x`. A tuned model
or an endpoint hides what it was tuned from, so no list price can be found for it; it errs
towards "unknown" rather than guessing a base model from the name.
"""

from __future__ import annotations

import re

GOOGLE = "google"
TUNED_REASON = 'a tuned model or endpoint: its base model is not known; give its rates under [prices.models."{name}"]'

_TUNED = re.compile(r"(?:^|/)(?:tunedModels|endpoints)/", re.IGNORECASE)
_PROJECT_MODEL = re.compile(r"^projects/[^/]+/locations/[^/]+/models/", re.IGNORECASE)
_PATH = re.compile(r"^(?:.*/)?models/", re.IGNORECASE)
_VENDOR_PREFIX = re.compile(r"^(?:google|gemini|vertex_ai)/", re.IGNORECASE)


_BILLED_PER_REQUEST = re.compile(r"gemini-(?:live-|flash-|pro-)?[12]\.|gemini-pro$")
_PROVIDER_IDS = {
    "gcp.gemini": GOOGLE,
    "gcp.vertex_ai": GOOGLE,
    "gcp.gen_ai": GOOGLE,
    "google": GOOGLE,
    "gemini": GOOGLE,
    "vertex_ai": GOOGLE,
    "google_genai": GOOGLE,
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}


def provider_id(provider: str) -> str | None:
    """Return the id that genai-prices has for a provider's name, `None` for no name.

    Args:
        provider: a `gen_ai.provider.name` of the conventions, or a name genai-prices knows.
    """
    name = provider.strip().lower()
    return _PROVIDER_IDS.get(name, name) or None


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
    """Return a plain name without the `google/` that gateways put before it."""
    return _VENDOR_PREFIX.sub("", name)


def list_name(provider: str, model: str) -> str:
    """Return the name under which the list has the model; only Google's has no vendor prefix."""
    name = plain_name(model)
    return without_vendor(name) if provider_id(provider) in (None, GOOGLE) else name
