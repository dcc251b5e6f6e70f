"""What kind of work an action's name tells of: a simple one that a small model does, or one to think about.

The words are those of the system's users: click, type, scroll, wait; analyse, plan, decide,
evaluate. They are understood as whole words anywhere in a name, in any of its forms and spellings:
`analyze_page`, `Planning`, `clickButton`. Where a name tells of both, thinking counts. It errs
towards neither: a word that only contains one of them (`airplane`, `typescript`) says nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache


class Work(StrEnum):
    """How much thought an action takes."""

    SIMPLE = "simple"
    COMPLEX = "complex"


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SIMPLE = re.compile(r"(?:click|scroll|wait)(?:s|ed|ing)?|typ(?:e|es|ed|ing)")
_COMPLEX = re.compile(
    r"analy[sz](?:e|es|ed|er|ing)|analys[ei]s|plan(?:s|ned|ner|ning)?|decid(?:e|es|ed|er|ing)|decisions?"
    r"|evaluat(?:e|es|ed|or|ing|ion|ions)"
)
_NAME = re.compile(r"[\w.:/-]{1,64}")
_LONGEST = 200


@lru_cache(maxsize=4_096)
def work_of(action: str) -> Work | None:
    """The kind of work that an action is; `None` where its name does not say.

    Args:
        action: a name, or a few words; only the first 200 characters are looked at.
    """
    words = [word.lower() for word in _WORDS.findall(action[:_LONGEST])]
    if any(_COMPLEX.fullmatch(word) for word in words):
        return Work.COMPLEX
    return Work.SIMPLE if any(_SIMPLE.fullmatch(word) for word in words) else None


def name_for_telemetry(action: str) -> str:
    """An action's name, where it is a name; of anything else, which may be someone's text, the kind of work."""
    if _NAME.fullmatch(action):
        return action
    return work_of(action) or "other"
