"""Whether a request may go to another general Gemini model as it stands.

It errs towards no. Only what is known to mean the same to every general model from generation 2
on is let through; anything else in the request, also what later versions of the API add, is a
reason against. In particular: a context cache and an extra body belong to one model; thinking
budgets have other ranges for each size of 2.5, and no meaning of their own after it
(https://ai.google.dev/gemini-api/docs/thinking); penalties, log probabilities, several candidates,
other modalities than text and server-side tools are not had everywhere; from generation 3 on, calls
of functions in the history need the signatures of the model that made them
(https://ai.google.dev/gemini-api/docs/thought-signatures), so a history that holds calls or
signatures is let through only if they came from the model itself, in this run. Newer models
refuse a conversation that ends with a turn of the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from otel_agentperf.pricing.families import Member, Size, member

OLDEST_GENERATION = 2
_BODY = frozenset(
    {"contents", "systemInstruction", "generationConfig", "tools", "toolConfig", "safetySettings", "labels"}
)
_GENERATION = frozenset(
    {
        "temperature",
        "topP",
        "topK",
        "maxOutputTokens",
        "stopSequences",
        "seed",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
    }
)
_PARTS = frozenset({"text", "inlineData", "functionCall", "functionResponse", "thought", "thoughtSignature"})
_BUDGETS = {Size.PRO: (128, 32_768), Size.FLASH: (0, 24_576), Size.FLASH_LITE: (512, 24_576)}
"""Tokens, of generation 2.5; -1 lets the model decide, and 0, which Pro refuses, is none."""
_OLD_MAX_OUTPUT = 8_192
"""Of the models before 2.5; those since have 65,536."""
_SIGNATURE = re.compile(r'"thoughtSignature"\s*:\s*"([^"]+)"')
_SAME_ALPHABET = str.maketrans("-_", "+/", "=")


@lru_cache(maxsize=256)
def general(model: str) -> Member | None:
    """A general Gemini model of generation 2 or later; `None` of any other name."""
    read = member(model)
    return read if read is not None and read.generation >= OLDEST_GENERATION else None


def signatures_in(body: str | bytes) -> set[str]:
    """The thought signatures of an answer, as `why_not` knows them again."""
    if not body:
        return set()
    text = body if isinstance(body, str) else body.decode(errors="replace")
    return {_plain(found) for found in _SIGNATURE.findall(text)}


def _plain(signature: object) -> str:
    return str(signature).translate(_SAME_ALPHABET)


def why_not(body: Mapping[str, Any], asked: str, model: str, own: Iterable[str] | None) -> str | None:
    """Why a request cannot go to another model.

    Args:
        body: its JSON.
        asked: the model that the program asks for.
        model: the other one.
        own: signatures of what that model has answered in this run; `None` where it was not asked yet.

    Returns:
        The reason, a word or two low in cardinality, or `None` where nothing speaks against it.
    """
    source, target = general(asked), general(model)
    if source is None or target is None:
        return "model"
    given = _given(body)
    for key in given:
        if key[:1] != "_" and key not in _BODY:
            return "cached_content" if key == "cachedContent" else "body"
    return (
        _generation(given.get("generationConfig"), source, target)
        or _tools(given.get("tools"), given.get("toolConfig"))
        or _contents(given.get("contents"), own)
    )


def _given(mapping: Any) -> dict[str, Any]:
    """What a mapping holds, in the spelling of the API; the SDK leaves some of it in that of Python."""
    if not isinstance(mapping, Mapping):
        return {"": mapping}
    items = cast("Mapping[str, Any]", mapping).items()
    return {_camel(key): value for key, value in items if value is not None}


@lru_cache(maxsize=1_024)
def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return key if key[:1] == "_" else first + "".join(word.capitalize() for word in rest)


def _generation(config: Any, source: Member, target: Member) -> str | None:
    if config is None:
        return None
    for key, value in _given(config).items():
        if key in _GENERATION:
            if key == "maxOutputTokens" and not _fits(value, target):
                return "output_limit"
        elif key == "thinkingConfig":
            if not _thinks_alike(_given(value), source, target):
                return "thinking"
        elif key == "responseModalities":
            if [str(getattr(one, "value", one)).upper() for one in value] != ["TEXT"]:
                return "modality"
        elif key != "candidateCount" or value != 1:
            return "generation_config"
    return None


def _fits(tokens: Any, target: Member) -> bool:
    return not isinstance(tokens, int) or (target.generation, target.release) >= (2, 5) or tokens <= _OLD_MAX_OUTPUT


def _thinks_alike(given: dict[str, Any], source: Member, target: Member) -> bool:
    if (source.generation, source.release) != (2, 5) or (target.generation, target.release) != (2, 5):
        return not given
    budget = given.pop("thinkingBudget", -1)
    given.pop("includeThoughts", None)
    least, most = _BUDGETS[target.size]
    return not given and isinstance(budget, int) and (budget == -1 or least <= budget <= most)


def _tools(tools: Any, config: Any) -> str | None:
    if any(_given(tool).keys() - {"functionDeclarations"} for tool in tools or ()):
        return "tools"
    return "tools" if config is not None and _given(config).keys() - {"functionCallingConfig"} else None


def _contents(contents: Any, own: Iterable[str] | None) -> str | None:
    if not isinstance(contents, list) or not contents:
        return "contents"
    turns = [_given(turn) for turn in cast("list[Any]", contents)]
    if turns[-1].get("role") == "model":
        return "ends_with_model"
    known = None if own is None else frozenset(own)
    for turn in turns:
        parts = turn.get("parts")
        for part in cast("list[Any]", parts) if isinstance(parts, list) else (None,):
            reason = _part(_given(part), known)
            if reason is not None:
                return reason
    return None


def _part(part: dict[str, Any], known: frozenset[str] | None) -> str | None:
    if part.keys() - _PARTS:
        return "contents"
    signature = part.get("thoughtSignature")
    if signature is not None and (known is None or _plain(signature) not in known):
        return "signature"
    return "history" if "functionCall" in part and known is None else None
