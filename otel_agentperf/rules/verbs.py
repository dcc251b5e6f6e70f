"""What the name of a tool says of whether it changes something or only reads."""

from __future__ import annotations

import re

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
READING = frozenset(
    "calculate check compute count describe fetch find get list load look lookup query read retrieve search show view".split()  # noqa: SIM905 - easier to read than a list - reads best so
)
CHANGING = frozenset(
    "add apply approve archive assign book buy call cancel charge click close commit complete copy create delete deploy "  # noqa: SIM905 - easier to read than a list
    "drop edit execute file fill goto insert install invite log mark merge modify move navigate notify open order pay "
    "place post press publish push put record refund register reject remove rename reply reserve restart reset run save "
    "scroll select send set sign start stop store submit subscribe sync think transfer trigger type undo update upload "
    "wait write".split()
)
"""What the name of a tool may say first; `post` in `get_post` says nothing."""


def verb_of(name: str) -> str | None:
    """What the name of a tool says first of what it does, `None` where it says neither."""
    words = (word.lower() for word in _WORDS.findall(name))
    return next((word for word in words if word in READING or word in CHANGING), None)
