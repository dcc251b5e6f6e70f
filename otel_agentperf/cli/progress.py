"""A progress bar on stderr, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_ROUNDS = ("reading", "judging", "joining")


class Bar:
    """Shows how far a replay has come, and lets lines be written above."""

    def __init__(self, console: Console, progress: Progress | None, size: int) -> None:
        self._console = console
        self._progress = progress
        self._size = size
        self._tasks: dict[str, TaskID] = {}

    def update(self, name: str, done: int, of: int) -> None:
        """Show how much of a round is done.

        Args:
            name: the round.
            done: how much of it.
            of: of how much; 0 means the size of all sources.
        """
        if self._progress is None:
            return
        task = self._tasks.get(name)
        if task is None:
            for begun in self._tasks.values():
                self._progress.update(begun, completed=1, total=1)
            task = self._tasks[name] = self._progress.add_task(name.ljust(len(_ROUNDS[0])), total=None)
        self._progress.update(task, completed=done, total=of or self._size or None)

    def say(self, line: str) -> None:
        """Write a line."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(size: int) -> Generator[Bar]:
    """A bar that goes away when the work is done.

    Args:
        size: of all sources, in bytes; 0 where it is not known.
    """
    console = Console(file=sys.stderr, highlight=False)
    if not console.is_terminal:
        yield Bar(console, None, size)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(console, progress, size)
