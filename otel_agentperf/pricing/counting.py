"""What the counts of a Gemini answer mean where they do not speak for themselves.

The total checks the sum: `total = prompt + tool use + candidates + thoughts`. Some answers count
the thoughts within the candidates, and some leave them out and have them in the total alone.
What Google Search retrieved is not billed (https://ai.google.dev/gemini-api/docs/pricing), what
other tools retrieved is. The answer names no count for each tool, so where more than one of them
may have been used, all of it is taken as billed, and the assumption is stated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, cast

from otel_agentperf.model import ModalityTokens

GOOGLE_SEARCH, GOOGLE_MAPS, URL_CONTEXT = "google_search", "google_maps", "url_context"
ENTERPRISE_SEARCH = "enterprise_web_search"
SEARCHES = frozenset({GOOGLE_SEARCH, "google_search_retrieval", ENTERPRISE_SEARCH})
"""Tools whose retrieved context is not billed."""
NO_TOOLS: frozenset[str] = frozenset()

TOTAL_ALONE = "the response states a total alone: all of it is taken as input"
REST_IS_THOUGHTS = "the part of the total that no count names is taken as thoughts"
SUM_DIFFERS = "the counts do not add up to the response's total"
RETRIEVED_IS_BILLED = (
    "the context that Google Search retrieved is charged too: its share in what all tools retrieved is not known"
)
QUERIES_ARE_SHARED = "the queries of Google Search and Google Maps are not told apart in the response"
MEDIA_TOKENS = "the tokens of the answer are taken as {kind} tokens: the response does not report them by kind"
TOKENS_PER_IMAGE = (1_290, 1_120)
"""Of Gemini 2.5 Flash Image, and of Gemini 3's up to 2K (https://ai.google.dev/gemini-api/docs/pricing)."""


class Counts(NamedTuple):
    """The tokens of one answer, checked against its total."""

    input: int
    output: int
    thoughts: int
    assumption: str | None = None


def reconciled(prompt: int, tool_use: int, candidates: int, thoughts: int, total: int) -> Counts:
    """Return input, output and thoughts, by the total where the counts leave something open.

    Args:
        prompt: tokens of the prompt, cached ones included.
        tool_use: what tools retrieved.
        candidates: tokens of the answer.
        thoughts: as reported; 0 where nothing is reported.
        total: as reported; 0 where nothing is reported.
    """
    entered, answered = prompt + tool_use, candidates + thoughts
    if total <= 0 or total == entered + answered:
        return Counts(entered, answered, thoughts)
    if not prompt and not answered:
        return Counts(max(total, entered), 0, 0, TOTAL_ALONE)
    if thoughts and total in (entered + candidates, prompt + candidates):
        return Counts(entered, candidates, min(thoughts, candidates))
    if total > entered + answered:
        rest = total - entered - answered
        return Counts(entered, answered + rest, thoughts + rest, REST_IS_THOUGHTS if thoughts else None)
    return Counts(entered, answered, thoughts, SUM_DIFFERS)


def free_context(tool_use: int, tools: Collection[str], used: Collection[str]) -> tuple[int, str | None]:
    """Return how much of what tools retrieved is not billed, and the assumption behind it.

    Args:
        tool_use: tokens that tools retrieved.
        tools: those that the request had; empty where it is not known.
        used: those that the answer shows to have been used.
    """
    if tool_use <= 0:
        return 0, None
    searched = not SEARCHES.isdisjoint(used)
    others = any(tool not in SEARCHES for tool in used) or URL_CONTEXT in tools
    if not used and tools:  # the answer shows nothing: what was asked for decides
        searched = not SEARCHES.isdisjoint(tools)
        others = any(tool not in SEARCHES and tool != "functions" for tool in tools)
    if not searched:
        return 0, None
    return (0, RETRIEVED_IS_BILLED) if others else (tool_use, None)


class Queries(NamedTuple):
    """Queries by the tool that made them, as they are billed."""

    search: int = 0
    maps: int = 0
    enterprise: int = 0
    assumption: str | None = None


NO_QUERIES = Queries()


def split_queries(named: int, tools: Collection[str], *, web: bool, maps: bool) -> Queries:
    """Return the queries by tool.

    The response names queries without the tool that made them. A request that had one of the two
    tools tells; else the sources of the answer do.

    Args:
        named: unique queries that the response names.
        tools: those that the request had; empty where it is not known.
        web: whether a source of the answer is a web page.
        maps: whether one is a place of Google Maps.
    """
    asked_search, asked_maps = not SEARCHES.isdisjoint(tools), GOOGLE_MAPS in tools
    if asked_search and not asked_maps:
        found = Queries(search=named)
    elif asked_maps and not asked_search:
        found = Queries(maps=max(named, int(maps)))
    elif not maps:
        found = Queries(search=named)
    elif web:
        found = Queries(max(named - 1, 1), 1, assumption=QUERIES_ARE_SHARED)
    else:
        found = Queries(maps=max(named, 1), assumption=QUERIES_ARE_SHARED if named else None)
    if ENTERPRISE_SEARCH in tools and len(SEARCHES.intersection(tools)) == 1:
        return Queries(0, found.maps, found.search, found.assumption)
    return found


def media_tokens(
    answered: int, media: Mapping[str, int], *, has_text: bool
) -> tuple[ModalityTokens | None, str | None]:
    """Return the answer's tokens by modality where the response does not report them, and the assumption.

    An answer that is one image alone has as many tokens as an image has, else it is an estimate.

    Args:
        answered: tokens of the answer, thoughts left out.
        media: pieces of the answer that are no text, by modality.
        has_text: whether it has text beside them.
    """
    kinds = [kind for kind in ("image", "audio", "video") if media.get(kind)]
    if not kinds or answered <= 0:
        return None, None
    kind = kinds[0]
    pieces = media[kind]
    if len(kinds) == 1 and not has_text:
        exact = kind == "image" and answered in [tokens * pieces for tokens in TOKENS_PER_IMAGE]
        return ModalityTokens(**{kind: answered}), None if exact else MEDIA_TOKENS.format(kind=kind)
    tokens = min(answered, TOKENS_PER_IMAGE[0] * pieces) if kind == "image" else answered
    return ModalityTokens(**{kind: tokens}), MEDIA_TOKENS.format(kind=kind)


def assumed(*assumptions: str | None) -> str | None:
    """Return several assumptions as one phrase, `None` for none."""
    return "; ".join(dict.fromkeys(one for one in assumptions if one)) or None


def tool_names(tools: object) -> frozenset[str]:
    """Return the names of the tools in a request's body.

    Args:
        tools: the list under `tools`: objects such as `{"googleSearch": {}}`, or `{"type": "google_search"}` of the
            Interactions API.

    Returns:
        Names as the SDK's configuration spells them: `google_search`, `google_maps`, `url_context`,
        `code_execution`, ...; declared functions are `functions`. Empty where there are none.
    """
    names: set[str] = set()
    if not isinstance(tools, (list, tuple)):
        return NO_TOOLS
    for tool in cast("list[object]", tools):
        if not isinstance(tool, Mapping):
            continue
        fields = cast("Mapping[object, object]", tool)
        kind = fields.get("type")
        for key in (kind,) if isinstance(kind, str) else fields:
            if isinstance(key, str) and (key is kind or fields[key] is not None):
                names.add(_snake_case(key))
    return frozenset(_FUNCTIONS.get(name, name) for name in names)


_FUNCTIONS = {"function_declarations": "functions", "function": "functions"}


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
