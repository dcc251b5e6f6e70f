"""How lines for a terminal are laid out: titles, facts side by side, wrapped text, tables.

Nothing is ever wider than asked for. Names are cleaned before they come here, and never read as
markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from otel_agentperf.analysis.figures import Figures
from otel_agentperf.report import resources
from otel_agentperf.report.signs import ASCII, BOX
from otel_agentperf.report.text import UNKNOWN, clean

MIN_WIDTH = 60
GAP = 2
INDENT = 2
_MAX_STATE = 24
_MIN_NAME = 12


class Layout:
    """Lays lines out.

    Args:
        width: the most columns of a line; at least 60.
        color: whether to write colours, as escape sequences.
        ascii_only: whether to do without box characters; names are then reduced to ASCII too.
    """

    def __init__(self, width: int, *, color: bool, ascii_only: bool) -> None:
        self.width = max(MIN_WIDTH, width)
        self.signs = ASCII if ascii_only else BOX
        self._ascii_only = ascii_only
        self._console = Console(
            file=StringIO(),
            width=self.width,
            force_terminal=color,
            color_system="standard" if color else None,
            no_color=not color,
            legacy_windows=False,
            markup=False,
            highlight=False,
            emoji=False,
            soft_wrap=True,
        )

    def printed(self, lines: Iterable[Text]) -> str:
        """The lines as text, each ended."""
        with self._console.capture() as captured:
            for line in lines:
                line.rstrip()
                self._console.print(line, no_wrap=True, overflow="ignore", crop=False)
        text = captured.get()
        return text.encode("ascii", "replace").decode() if self._ascii_only else text

    def title(self, name: str, state: str, style: str) -> Text:
        """A line across, with a name on its left and a state on its right."""
        line = self.signs.line
        state = self.short(state, _MAX_STATE)
        room = self.width - cell_len(state) - 9
        title = Text.assemble((line * 2 + " ", "dim"), (self.short(name or UNKNOWN, room), "bold"), " ")
        fill = self.width - title.cell_len - cell_len(state) - 4
        title.append(line * max(1, fill) + " ", "dim")
        title.append(state, style)
        title.append(" " + line * 2, "dim")
        return title

    def facts(self, facts: Iterable[Text]) -> Iterator[Text]:
        """Facts side by side, as many as fit on a line."""
        line: Text | None = None
        for fact in facts:
            if line is not None and line.cell_len + 3 + fact.cell_len <= self.width:
                line.append(f" {self.signs.dot} ", "dim")
                line.append_text(fact)
                continue
            if line is not None:
                yield from self.wrapped(line, indent=0)
            line = Text(" " * INDENT).append_text(fact)
        if line is not None:
            yield from self.wrapped(line, indent=0)

    def wrapped(self, text: Text, indent: int = INDENT) -> Iterator[Text]:
        """Text over as many lines as it needs."""
        for line in text.wrap(self._console, self.width - indent):
            line.pad_left(indent)
            yield line

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Text]:
        """A table: names on the left in what room there is, numbers flush right; where it is too wide, without the last ones."""
        if not rows:
            return
        widths = [max(cell_len(row[i]) for row in (titles, *rows)) for i in range(1, len(titles))]
        while (room := self.width - INDENT - sum(width + GAP for width in widths)) < _MIN_NAME and widths:
            widths.pop()
        for number, row in enumerate((titles, *rows)):
            name = self.short(row[0], room)
            line = Text(" " * INDENT + name + " " * (room - cell_len(name)), "dim" if number == 0 else "")
            yield self.row(line, row[1 : len(widths) + 1], widths, "dim" if number == 0 else "")

    def resources(self, figures: Figures) -> Iterator[Text]:
        """What was used of CPU and memory; nothing where it was not sampled."""
        used, rows = list(resources.facts(figures)), resources.rows(figures)
        if used or rows:
            yield Text()
            yield from self.facts(map(Text, used))
            yield from self.table(resources.TITLES, [(clean(name), *cells) for name, *cells in rows])

    def row(self, label: Text, cells: Sequence[str], widths: Sequence[int], style: str) -> Text:
        """A label with cells behind it; what is unknown stands out."""
        for cell, width in zip(cells, widths, strict=True):
            label.append(" " * (GAP + width - cell_len(cell)) + cell, "yellow" if UNKNOWN in cell else style)
        return label

    def short(self, text: str, width: int) -> str:
        """The text within a width, its middle left out: both ends of a name tell it apart."""
        if cell_len(text) <= width:
            return text
        room = width - cell_len(self.signs.dots)
        if room < 2:  # noqa: PLR2004 - a character at each end
            return set_cell_size(text, max(0, width))
        tail_room = room // 3
        tail = ""
        for character in reversed(text):
            if cell_len(character + tail) > tail_room:
                break
            tail = character + tail
        return set_cell_size(text, room - cell_len(tail)).rstrip() + self.signs.dots + tail
