"""How long the beginning of a prompt must be before Gemini serves it from its cache, in tokens.

Implicit caching, which needs nothing done, is on for Gemini 2.5 and newer; for older models, other
makers' models, tuned models and those for media there is no minimum here, since nothing is cached by
itself. Gemini API: the table of https://ai.google.dev/gemini-api/docs/caching, as its copies of
2025-05-08, 2026-05-07, 2026-05-28, 2026-06-26 and 2026-10-13 have it. Between two copies that
differ the larger figure stands, and a model that the table leaves out (Flash-Lite, aliases) gets
the largest one: it errs towards no minimum reached. Vertex AI: 2,048 for every model, by
https://cloud.google.com/vertex-ai/generative-ai/docs/context-cache/context-cache-overview.
"""

from __future__ import annotations

import re
from datetime import date

from otel_agentperf.pricing.names import is_tuned, plain_name, sold_by_google, without_vendor

VERTEX_TOKENS = 2_048
LARGEST_TOKENS = 4_096
_LARGEST = ((date.min, LARGEST_TOKENS),)

GEMINI_API_TOKENS: dict[str, tuple[tuple[date, int], ...]] = {
    "gemini-2.5-flash": ((date.min, 1_024), (date(2026, 5, 29), 2_048)),
    "gemini-2.5-pro": ((date.min, 4_096), (date(2026, 6, 26), 2_048)),
    "gemini-3-flash-preview": ((date.min, 1_024),),
    "gemini-3-pro-preview": _LARGEST,
    "gemini-3.1-pro-preview": _LARGEST,
    "gemini-3.5-flash": _LARGEST,
    "gemini-3.6-flash": _LARGEST,
    "gemini-3.7-flash": _LARGEST,
    "gemini-3.8-flash": _LARGEST,
}
"""By model: pairs of (first day, tokens)."""

_CACHED_BY_ITSELF = re.compile(r"gemini-(?:2\.5|[3-9]|[1-9]\d|flash|pro)(?![\d])")
_FOR_MEDIA = re.compile(r"-(?:image|tts|live|native-audio|embedding|robotics)")


def cache_minimum(provider: str, model: str, day: date) -> int | None:
    """Return the least tokens of a beginning that the cache serves, `None` where it serves none by itself.

    Args:
        provider: a `gen_ai.provider.name`, or a name that genai-prices knows; may be empty.
        model: as a request or a response names it.
        day: when the request was made, in UTC.
    """
    if not sold_by_google(provider, model) or is_tuned(model):
        return None
    name = without_vendor(plain_name(model))
    if _CACHED_BY_ITSELF.match(name) is None or _FOR_MEDIA.search(name) is not None:
        return None
    if "vertex" in provider.lower():
        return VERTEX_TOKENS
    found = LARGEST_TOKENS
    for start, tokens in GEMINI_API_TOKENS.get(name, ()):
        if start <= day:
            found = tokens
    return found
