"""Line numbers, counted only where one is to be told."""

from __future__ import annotations

from otel_agentperf.replay import opening
from otel_agentperf.replay.extras import MissingExtraError

_BLOCK = 1 << 20


class LineNumbers:
    """Tells the number of the line at an offset, going on from where it last was."""

    def __init__(self) -> None:
        self._last: tuple[str, int, int] = ("", 0, 1)

    def __call__(self, source: str, offset: int) -> int | None:
        """The number of the line that begins there.

        Args:
            source: a file.
            offset: in bytes of its decompressed text.

        Returns:
            Its number, from 1; `None` where the file cannot be read again.
        """
        name, at, number = self._last
        if name != source or at > offset:
            at, number = 0, 1
        try:
            with opening.raw(source) as file:
                how = opening.packing(opening.peeked(file))
            with opening.text(source, how) as file:
                if at and file.seekable():
                    file.seek(at)
                else:
                    at, number = 0, 1
                while at < offset:
                    block = file.read(min(_BLOCK, offset - at))
                    if not block:
                        return None
                    number += block.count(b"\n")
                    at += len(block)
        except (OSError, EOFError, ValueError, MissingExtraError):
            return None
        self._last = (source, offset, number)
        return number
