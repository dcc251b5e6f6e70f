"""How dear a model is within its family, told from the words in its name.

A price list would say it by the dollar, but a share of calls needs classes that stay the same
from month to month. A name without such a word has no rank, and is left out of the share.
"""

from __future__ import annotations

import re
from functools import lru_cache

from otel_agentperf.pricing.names import plain_name, without_vendor

CHEAP_UP_TO = 1
"""The highest rank that counts as cheap: Gemini's Flash and what lies below it."""
_WORDS = {
    "lite": 0,
    "nano": 0,
    "flash": 1,
    "mini": 1,
    "haiku": 1,
    "pro": 2,
    "sonnet": 2,
    "ultra": 3,
    "opus": 3,
}
_WORD = re.compile(r"[a-z]+")


@lru_cache(maxsize=1024)
def rank(model: str) -> int | None:
    """The rank of a model: 0 lite, 1 flash, 2 pro, 3 ultra; `None` where its name does not say.

    Args:
        model: its name, such as `models/gemini-2.5-flash-lite`; the cheapest word in it counts.
    """
    ranks = [_WORDS[word] for word in _WORD.findall(without_vendor(plain_name(model))) if word in _WORDS]
    return min(ranks, default=None)


def is_cheap(model: str) -> bool | None:
    """Whether a model is one of the cheaper ones of its family; `None` where its name does not say."""
    found = rank(model)
    return None if found is None else found <= CHEAP_UP_TO
