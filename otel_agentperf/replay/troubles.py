"""What could not be read: told with file and place, and bounded, since a file may hold nothing else."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

MAX_TOLD = 20
"""Troubles within files that are named one by one; the rest is a count. Files that are not read are all named."""
MAX_KEPT = 50
"""Troubles that one piece or bucket hands on."""


class Trouble(msgspec.Struct, frozen=True, array_like=True):
    """Something that was skipped."""

    source: str
    """The file or address."""
    why: str
    """What is wrong, for people; never holds content of the trace."""
    offset: int | None = None
    """Where its line begins, in bytes of the decompressed text; `None` for a whole source."""
    unit: str = "line"
    """What it is about: a `line`, a `message` of a binary file, which has no lines, or a whole `file`."""


class Troubles(msgspec.Struct, array_like=True):
    """Troubles of one piece or bucket of work: the first ones, and how many there were."""

    kept: list[Trouble] = []
    count: int = 0

    def add(self, trouble: Trouble) -> None:
        """Take one in."""
        self.count += 1
        if len(self.kept) < MAX_KEPT:
            self.kept.append(trouble)

    def merge(self, other: Troubles) -> None:
        """Take those of other work in."""
        self.count += other.count
        self.kept.extend(other.kept[: max(0, MAX_KEPT - len(self.kept))])


class TroubleTeller:
    """Tells troubles as they come in, up to a bound.

    Args:
        tell: takes one line of text.
        line_number: the number of the line at an offset of a source, from 1, or `None`.
    """

    def __init__(self, tell: Callable[[str], None], line_number: Callable[[str, int], int | None]) -> None:
        self.count = 0
        self._tell = tell
        self._line_number = line_number
        self._told = 0

    def take(self, troubles: Troubles) -> None:
        """Take in the troubles of one piece of work."""
        self.count += troubles.count
        for trouble in troubles.kept:
            # Each file is named, whatever else there is to say.
            if self._told >= MAX_TOLD and trouble.unit != "file":
                continue
            self._told += 1
            self._tell(f"{self._place(trouble)}: {trouble.why}")

    def _place(self, trouble: Trouble) -> str:
        if trouble.offset is None:
            return trouble.source
        if trouble.unit != "line":
            return f"{trouble.source}: {trouble.unit} at byte {trouble.offset:,}"
        number = self._line_number(trouble.source, trouble.offset)
        return f"{trouble.source}:{number}" if number is not None else f"{trouble.source}: byte {trouble.offset:,}"

    def finish(self) -> None:
        """Say how many were not told."""
        if self.count > self._told:
            self._tell(f"and {self.count - self._told:,} more that could not be read")
