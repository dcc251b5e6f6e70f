"""Finds the JSON documents in text that is not one document.

Several without a line end between them, the output of a program around them, one that is cut off before
the next, or numbers that JSON has no form for (`NaN`), which become null. Slow, and only for what could
not be decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

MAX_BYTES = 64 << 20
"""Longer text is not looked into: its documents would take many times as much memory."""
_NEXT = re.compile(r"\n(?=[{\[])")
"""Where the next document may begin: not at a line that is indented, which may be a part of another."""
_SPACE = re.compile(r"[\s\ufeff\x1e]*")
_decoder = json.JSONDecoder(parse_constant=lambda _: None)


def parts_of(data: bytes) -> Iterator[tuple[int, bytes | None]]:
    """The documents in text.

    Args:
        data: the text.

    Yields:
        Where each begins in bytes, and the document written anew; `None` for what is none.
    """
    text = data.decode("utf-8", "replace")
    at = seen = offset = 0
    while (at := _skipped(text, at)) < len(text):
        offset += at - seen if text.isascii() else len(text[seen:at].encode())
        seen = at
        try:
            value, end = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            value, end = None, 0
        if isinstance(value, (dict, list)):
            yield offset, json.dumps(value, separators=(",", ":")).encode()
            at = end
        else:
            yield offset, None
            found = _NEXT.search(text, at)
            at = found.end() if found else len(text)


def _skipped(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
