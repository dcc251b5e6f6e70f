"""Keyed fingerprints of content, so that rules can compare what they never see.

A fingerprint is 16 hex digits: blake2b under a secret key over an xxh3 digest of the
canonical content. xxh3 makes large prompts cheap (8 us against 540 us for 500 kB), the keyed
blake2b keeps short texts from being guessed.

Canonical arguments are the JSON leaves with their paths, keys sorted, empty leaves dropped,
case and white space folded. Their context is the same with each text taken for what it asks, see
`wording`: calls with another hash and the same context differ in wording alone. Content that has no
stable canonical form gets no fingerprint; it errs towards saying nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec
import xxhash

from otel_agentperf.wording import wording

HEX_DIGITS = 16
MAX_PREFIX_HASHES = 32
_MAX_LEAVES = 256
_MAX_DEPTH = 12
_MAX_TEXT = 32_768
_LIST_HEAD, _LIST_TAIL = 16, 32
_MAX_KNOWN_LINKS = 1_024
_SEPARATOR = b"\x1e"
_LARGE_STATE, _AVERAGE_STATE = 1_000_000, 50_000
"""Bytes of JSON. Encoding does about 500 MB a second, more slowly for objects of classes."""
_MAX_IDENTIFIERS, _MIN_IDENTIFIER, _MAX_IDENTIFIER = 16, 3, 256
_QUOTED_OR_DIGITS = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\d+")
_EMPTY: tuple[object, ...] = (None, "", [], {}, ())


def _plain(value: Any) -> object:
    """Turn an object that JSON does not know into its type and attributes.

    Raises:
        NotImplementedError: it has none, so it has no canonical form.
    """
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict) and not callable(value):
        return [type(value).__qualname__, cast("dict[str, object]", attributes)]
    raise NotImplementedError


_encoder = msgspec.json.Encoder(enc_hook=_plain, order="deterministic")
_UNENCODABLE = (NotImplementedError, TypeError, ValueError, RecursionError, msgspec.MsgspecError)


def canonical_bytes(value: object) -> bytes | None:
    """The deterministic JSON of a value, or `None` where it has none."""
    try:
        return _encoder.encode(value)
    except _UNENCODABLE:
        return None


def canonical_each(values: list[Any]) -> list[bytes] | None:
    """The deterministic JSON of each of several values, or `None` where one of them has none."""
    try:
        return list(map(_encoder.encode, values))
    except _UNENCODABLE:
        return None


def _windowed(value: object) -> object:
    """Bound the work on a large value: its length, its beginning and its end stand for it."""
    if isinstance(value, str) and len(value) > 2 * _MAX_TEXT:
        return (len(value), value[:_MAX_TEXT], value[-_MAX_TEXT:])
    if isinstance(value, (bytes, bytearray)):
        return (len(value), bytes(value[:_MAX_TEXT]), bytes(value[-_MAX_TEXT:]))
    if isinstance(value, (list, tuple)):
        items = cast("list[object]", value)
        if len(items) > _LIST_HEAD + _LIST_TAIL:
            return (len(items), items[:_LIST_HEAD], items[-_LIST_TAIL:])
        return items
    return value


def _fold(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return " ".join(text[: 2 * _MAX_TEXT].casefold().split())


def _leaves(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value)
        if depth < _MAX_DEPTH:
            for key in sorted(items, key=str):
                yield from _leaves(items[key], f"{path}.{key}", depth + 1)
    elif isinstance(value, (list, tuple)):
        if depth < _MAX_DEPTH:
            for index, item in enumerate(cast("list[object]", value)):
                yield from _leaves(item, f"{path}[{index}]", depth + 1)
    elif value not in _EMPTY:
        if not isinstance(value, (str, int, float, bool)):
            encoded = canonical_bytes(value)
            if encoded is None:
                raise NotImplementedError
            value = encoded.decode()
        yield path, value


class ArgumentPrints(msgspec.Struct, frozen=True, gc=False):
    """The fingerprints of one call's arguments; see `Fingerprinter.arguments`."""

    arguments_hash: str | None = None
    context_hash: str | None = None
    no_arguments: bool = False
    argument_is_sentence: bool | None = None
    identifiers: tuple[str, ...] = ()
    """Paths, names and the like among them, for `Fingerprinter.error`; never recorded."""


class Fingerprinter:
    """Makes fingerprints under one key.

    Args:
        key: the secret; the same in all processes whose values shall be comparable.
            Empty: random, so values are comparable within this process only.
    """

    __slots__ = ("_chained", "_keyed", "_resting", "key_id")

    def __init__(self, key: str = "") -> None:
        secret = hashlib.blake2b(key.encode(), digest_size=32).digest() if key else os.urandom(32)
        self._keyed = hashlib.blake2b(key=secret, digest_size=HEX_DIGITS // 2)
        self._chained: dict[bytes, str] = {}
        self._resting = 0
        self.key_id = hashlib.blake2b(b"key id", key=secret, digest_size=4).hexdigest()

    def digest(self, content: bytes) -> str:
        """Fingerprint of bytes: 16 hex digits."""
        return self._print(xxhash.xxh3_128_digest(content))

    def _print(self, digest: bytes) -> str:
        hasher = self._keyed.copy()
        hasher.update(digest)
        return hasher.hexdigest()

    def value(self, value: object) -> str | None:
        """Fingerprint of any value, or `None` where it has no canonical form."""
        encoded = canonical_bytes(_windowed(value))
        return None if encoded is None else self.digest(encoded)

    def state(self, state: object) -> str | None:
        """Fingerprint of a graph's state.

        Long texts and lists are told by their ends. After a state that is large all the same, the
        next ones go without, so that the work stays small on average, whatever states hold.
        """
        if self._resting > 0:
            self._resting -= 1
            return None
        if isinstance(state, dict):
            items = cast("dict[object, Any]", state)
            state = {
                str(key): item if item.__class__ is str and len(item) <= _MAX_TEXT else _windowed(item)
                for key, item in items.items()
            }
        else:
            state = _windowed(state)
        encoded = canonical_bytes(state)
        if encoded is None:
            return None
        if len(encoded) > _LARGE_STATE:
            self._resting = len(encoded) // _AVERAGE_STATE
        return self.digest(encoded)

    def chain(self, contents: list[bytes]) -> tuple[str, ...]:
        """Fingerprints of the first 32 prefixes, each of which covers its item and all before it.

        Args:
            contents: canonical JSON, so that none holds the separator.
        """
        running = xxhash.xxh3_128()
        known = self._chained
        prints: list[str] = []
        for content in contents[:MAX_PREFIX_HASHES]:
            running.update(content)
            running.update(_SEPARATOR)
            digest = running.digest()
            prints.append(known.get(digest) or self._link(digest))
        return tuple(prints)

    def _link(self, digest: bytes) -> str:
        """Fingerprint of a prefix, kept: most of a conversation stands in each request of it again."""
        if len(self._chained) >= _MAX_KNOWN_LINKS:
            self._chained.clear()
        found = self._chained[digest] = self._print(digest)
        return found

    def arguments(self, arguments: object) -> ArgumentPrints:
        """Fingerprints of a call's arguments (a mapping, a list, or one value)."""
        try:
            leaves = list(_bounded(_leaves(arguments)))
        except _UNENCODABLE:
            return ArgumentPrints()
        if not leaves:
            return ArgumentPrints(arguments_hash=self.digest(b""), no_arguments=True)
        exact: list[str] = []
        meant: list[str] = []
        identifiers: list[str] = []
        has_words = is_sentence = False
        for path, value in leaves:
            text = _fold(value)
            leaf = f"{path}\x1f{text}"
            exact.append(leaf)
            if isinstance(value, str):
                words = wording(value)
                if words is not None:
                    has_words = True
                    is_sentence = is_sentence or words.is_sentence
                    leaf = f"{path}\x1e{words.content}"
                elif _MIN_IDENTIFIER <= len(text) <= _MAX_IDENTIFIER and any(map(str.isalpha, text)):
                    identifiers.append(text)
            meant.append(leaf)
        context = self.digest(_bytes("\x1e".join(meant))) if has_words else None
        arguments_hash = self.digest(_bytes("\x1e".join(exact)))
        return ArgumentPrints(arguments_hash, context, False, is_sentence, tuple(identifiers[:_MAX_IDENTIFIERS]))  # noqa: FBT003 - a field in its place

    def error(self, error_type: str, message: str, identifiers: Iterable[str] = ()) -> str:
        """Fingerprint of an error: its type and its message without quoted parts and digits.

        Args:
            error_type: its class.
            message: what it says.
            identifiers: those of the call's arguments. One that the message names is what the error is about,
                so the same error about another one is another error.
        """
        message = message[:_MAX_TEXT]
        text = f"{error_type}\x1f{_fold(_QUOTED_OR_DIGITS.sub('', message))}"
        if identifiers:
            whole = _fold(message)
            text = "\x1f".join([text, *sorted({each for each in identifiers if each in whole})])
        return self.digest(_bytes(text))


def _bytes(text: str) -> bytes:
    """Also where the text holds half of a surrogate pair, as text that was cut may."""
    return text.encode("utf-8", "surrogatepass")


def _bounded(leaves: Iterator[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    for _, leaf in zip(range(_MAX_LEAVES), leaves, strict=False):
        yield leaf
