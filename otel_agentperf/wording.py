# ruff: noqa: RUF001 - quotation marks and letters of several languages
"""What a text asks for, apart from how it is worded.

Two sentences that differ in small words, in the order of their words or in a plural ask for the
same. Two that differ in any other word, or in a number, path, URL or identifier, do not: which
words are names cannot be seen in a text without capitals, so every word that carries meaning
counts. It errs towards "not the same", but for who does what to whom ("Ann asks Ben", "Ben asks Ann").

The small words are those of English, German, French, Spanish, Italian, Portuguese and Dutch. A
text without spaces between its words (Chinese, Japanese, Thai) is the same only where it is the same.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

MIN_WORDS = 4
MAX_CHARACTERS = 1_000
"""A longer text is a document: a set of its words does not say what it asks for."""
_MIN_LISTED = 3
_MIN_UNSPACED = 8
_MIN_PLURAL = 4
_REQUESTS = frozenset(
    "please can could would tell show give find search look get need want know let bitte favor".split()  # noqa: SIM905 - easier to read than a list
)
"""What only asks for an answer."""
_SMALL = frozenset(
    # English
    "a an the of in on at for from with and as is are be am what which that this these those there it its i me my we us "  # noqa: SIM905 - as above
    "our you your do does about "
    # German
    "der die das den dem des ein eine einen einem einer eines von vom im ist sind und für mit mir welche welcher welches "
    # French
    "le la les un une du de et en est sont dans pour sur au aux quel quelle quels quelles moi vous plaît il "
    # Spanish
    "el los las una del es cuál cual qué que por "
    # Italian
    "lo gli della dello dei delle nel nella di è qual quale che per "
    # Portuguese
    "os um uma da do dos das em é "
    # Dutch
    "het een van wat voor met".split()
)
_ASKING = frozenset(
    "who when where why how whose wie wer wann wo warum qui quand où pourquoi comment combien quién cuándo dónde cómo "  # noqa: SIM905 - as above
    "cuánto cuántos chi quando dove come perché quanto quanti quem onde hoe waar wanneer waarom".split()
)
_BINDING = frozenset(
    "to into than by before after until without not no except nach ohne nicht sans pas vers hacia sin senza verso naar".split()  # noqa: SIM905 - as above
)
"""From A to B is not from B to A: the word after one of these counts together with it."""
_BINDING_AFTER_FROM = frozenset({"a", "à", "para"})
_FROM = frozenset({"de", "desde", "da", "dal", "dalla", "depuis"})
_AROUND = "\"'“”‘’«»‹›()[]*.,;:!?…¿¡-–—&"
_ENDS = (".", "?", "!", "…", "。", "？", "！")
_CODE = re.compile(r"[`{}<>|^=]|;\S|\$[({A-Za-z_]|^--?[A-Za-z]|\w\(|^[*+/%]+$")
_ADDRESS = re.compile(r"\w+://|www\.")
_PLAIN = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*\Z")
_ELIDED = re.compile(r"^(?:[cdjlmnst]|qu)['’]|['’]s$", re.IGNORECASE)
_CAMEL = re.compile(r"[a-z][A-Z]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_PARTICLE = re.compile("[的了是在吗呢请么和这那のはがをにでとかも。！？]")


class Wording(NamedTuple):
    """What a text asks for."""

    content: str
    """The same for every wording of it."""
    is_sentence: bool
    """Whether it reads as people write, and not as a list of words."""


def wording(text: str) -> Wording | None:
    """What a text asks for; `None` for one not made of words: a name, path, command, code or a document."""
    if len(text) > MAX_CHARACTERS:
        return None
    tokens = text.split()
    if len(tokens) < _MIN_LISTED:
        return None if text.isascii() else _unspaced(text)
    words = list(map(_word, tokens))
    if any(word.kind is _Kind.CODE for word in words):
        return None
    return _spaced(words, ends=text.rstrip().endswith(_ENDS))


def _unspaced(text: str) -> Wording | None:
    letters = len(_UNSPACED.findall(text))
    if letters < max(_MIN_UNSPACED, len(text) * 3 // 4) or not _PARTICLE.search(text):
        return None
    return Wording("".join(text.casefold().split()), is_sentence=True)


def _spaced(words: list[_Word], *, ends: bool) -> Wording | None:
    """What a text of words between spaces asks for.

    Args:
        words: what stands between the spaces.
        ends: whether it ends as a sentence does.
    """
    content: set[str] = set()
    exact: list[str] = []
    plain = small = meant = marks = 0
    has_from = any(word.text in _FROM for word in words)
    before = ""
    for place, (kind, text, singular, is_plain, is_meant) in enumerate(words):
        plain += is_plain
        if kind is _Kind.MARK:
            marks += 1
        elif kind is _Kind.BINDING or (has_from and text in _BINDING_AFTER_FROM):
            before = text
            small += 1
        elif kind is _Kind.SMALL:
            small += 1
        elif kind is _Kind.EXACT:
            exact.append(f"{before} {text}")
            before = ""
        elif kind is _Kind.CONTENT:
            word = singular if place == 0 or is_meant else text  # Adam and Adams are two people
            content.add(word)
            if before:
                content.add(f"{before} {word}")
                before = ""
            meant += is_meant
    if before:
        content.add(before)
    if plain < _MIN_LISTED or plain * 4 < (len(words) - marks) * 3 or not content:
        return None
    is_sentence = plain >= MIN_WORDS and meant > 0 and (small > 0 or ends)
    return Wording("\x1d".join([*sorted(content), "\x1e", *exact]), is_sentence)


class _Kind(Enum):
    """What a token is to a sentence."""

    CODE = auto()
    MARK = auto()
    """Punctuation alone."""
    EXACT = auto()
    """A number, path, URL, identifier or the like."""
    BINDING = auto()
    SMALL = auto()
    REQUEST = auto()
    CONTENT = auto()


class _Word(NamedTuple):
    kind: _Kind
    text: str
    """Case folded, without the punctuation around it."""
    singular: str
    is_plain: bool
    """Letters alone, and no acronym."""
    is_meant: bool
    """It carries meaning and is no name: it is in small letters, or asks."""


@lru_cache(maxsize=4_096)
def _word(token: str) -> _Word:
    """One token; the same ones come again and again."""
    if _CODE.search(token) and not _ADDRESS.search(token):
        return _Word(_Kind.CODE, "", "", is_plain=False, is_meant=False)
    core = token.strip(_AROUND)
    if not core:
        return _Word(_Kind.MARK, "", "", is_plain=False, is_meant=False)
    if not _PLAIN.match(core) or _CAMEL.search(core):
        return _Word(_Kind.EXACT, core.casefold(), "", is_plain=False, is_meant=False)
    core = _ELIDED.sub("", core)
    text = core.casefold()
    is_acronym = len(core) > 1 and core.isupper()
    kind = _Kind.CONTENT
    if not is_acronym:
        kinds = ((_BINDING, _Kind.BINDING), (_SMALL, _Kind.SMALL), (_REQUESTS, _Kind.REQUEST))
        kind = next((each for words, each in kinds if text in words), kind)
    is_meant = kind is _Kind.CONTENT and (core[0].islower() or text in _ASKING)
    return _Word(kind, text, _singular(text), not is_acronym, is_meant)


def _singular(word: str) -> str:
    if len(word) >= _MIN_PLURAL and word[-1] == "s" and word[-2] not in "sui":
        return word[:-1]
    return word
