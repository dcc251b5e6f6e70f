"""A run's report as lines for a terminal or a pipe, never wider than asked for.

The caller says how wide, whether in colour, and whether box characters can be shown. Names
are cleaned and never read as markup.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from otel_agentperf.model import Level, OperationKind, Suggestion
from otel_agentperf.report import phrases
from otel_agentperf.report.run import RunReport
from otel_agentperf.report.text import UNKNOWN, clean, counted
from otel_agentperf.report.tree import Step

MIN_WIDTH = 60
MAX_TREE_LINES = 200
_GAP = 2
_INDENT = 2
_MIN_NAME = 14
_MAX_STATE = 24
_PREFIXES = {
    OperationKind.INFERENCE: "model ",
    OperationKind.EMBEDDINGS: "embed ",
    OperationKind.TOOL: "tool ",
    OperationKind.RETRIEVAL: "retrieve ",
    OperationKind.SERVICE: "service ",
    OperationKind.AGENT: "agent ",
}
_STYLES = {
    OperationKind.WORKFLOW: "bold",
    OperationKind.AGENT: "bold cyan",
    OperationKind.NODE: "cyan",
    OperationKind.TOOL: "magenta",
    OperationKind.SERVICE: "blue",
}


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters that draw."""

    line: str = "─"
    branch: str = "├ "
    last: str = "└ "
    through: str = "│ "
    dot: str = "·"
    arrow: str = "→"
    dots: str = "…"


BOX = Signs()
ASCII = Signs("-", "+ ", "` ", "| ", "|", ">", "...")
SIGNS_NEEDED = f"{BOX.line}{BOX.branch}{BOX.last}{BOX.through}{BOX.dot}{BOX.arrow}{BOX.dots}"
"""What an encoding must hold for `BOX`."""


def render(report: RunReport, *, width: int = 80, color: bool = False, ascii_only: bool = False) -> str:
    """Render a report.

    Args:
        report: what to show.
        width: the most columns that a line may take; at least 60.
        color: whether to write colours, as escape sequences.
        ascii_only: whether to do without box characters; names are then reduced to ASCII too.

    Returns:
        The lines, each ended, with an empty one before and none after.
    """
    width = max(MIN_WIDTH, width)
    console = Console(
        file=StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
    )
    page = _Page(console, width, ASCII if ascii_only else BOX)
    with console.capture() as captured:
        for line in page.lines(report):
            line.rstrip()
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
    text = captured.get()
    return text.encode("ascii", "replace").decode() if ascii_only else text


class _Page:
    """Lays out one report."""

    def __init__(self, console: Console, width: int, signs: Signs) -> None:
        self._console = console
        self._width = width
        self._signs = signs

    def lines(self, report: RunReport) -> Iterator[Text]:
        yield Text()
        yield from self._header(report)
        yield Text()
        yield from self._tree(report.tree)
        if report.suggestions:
            yield Text()
            yield Text(counted(len(report.suggestions), "suggestion"), "bold")
        for suggestion in report.suggestions:
            yield from self._suggestion(suggestion)

    # -- header ----------------------------------------------------------------------------

    def _header(self, report: RunReport) -> Iterator[Text]:
        state, style = phrases.state(report)
        line = self._signs.line
        state = self._short(state, _MAX_STATE)
        room = self._width - cell_len(state) - 9
        name = self._short(clean(report.name) or UNKNOWN, room)
        title = Text.assemble((line * 2 + " ", "dim"), (name, "bold"), " ")
        fill = self._width - title.cell_len - cell_len(state) - 4
        title.append(line * max(1, fill) + " ", "dim")
        title.append(state, style)
        title.append(" " + line * 2, "dim")
        yield title
        ids = [f"session {clean(report.session_id)}"] if report.session_id else []
        if report.trace_id:
            ids.append(f"trace {clean(report.trace_id)}")
        yield from self._facts([Text(fact, "dim") for fact in ids])
        yield from self._facts(list(phrases.sums(report)))
        yield from self._facts(list(phrases.scores(report)))
        if report.critical_path:
            arrow = f" {self._signs.arrow} "
            path = arrow.join(phrases.repeats_folded(clean(name) for name in report.critical_path))
            yield from self._wrapped(Text.assemble(("critical path ", "dim"), path))
        for note in report.notes:
            yield from self._wrapped(Text(clean(note), "yellow"))

    def _facts(self, facts: list[Text]) -> Iterator[Text]:
        """Facts side by side, as many as fit on a line."""
        line: Text | None = None
        for fact in facts:
            if line is not None and line.cell_len + 3 + fact.cell_len <= self._width:
                line.append(f" {self._signs.dot} ", "dim")
                line.append_text(fact)
                continue
            if line is not None:
                yield from self._wrapped(line, indent=0)
            line = Text(" " * _INDENT).append_text(fact)
        if line is not None:
            yield from self._wrapped(line, indent=0)

    def _wrapped(self, text: Text, indent: int = _INDENT) -> Iterator[Text]:
        for line in text.wrap(self._console, self._width - indent):
            line.pad_left(indent)
            yield line

    # -- tree ------------------------------------------------------------------------------

    def _tree(self, root: Step) -> Iterator[Text]:
        rows: list[tuple[str, Step, list[str]]] = []
        hidden = 0
        for lead, step in self._walk(root, "", ""):
            if len(rows) < MAX_TREE_LINES:
                rows.append((lead, step, phrases.cells(step)))
            else:
                hidden += step.count
        titles = ["time", "in", "out", "cost"]
        widths = [max(cell_len(row[2][i]) for row in [("", root, titles), *rows]) for i in range(len(titles))]
        name_width = self._width - sum(width + _GAP for width in widths)
        yield self._row(Text(" " * name_width), titles, widths, "dim")
        for lead, step, cells in rows:
            yield self._row(self._label(lead, step, name_width), cells, widths, "")
        if hidden:
            yield Text(f"{self._signs.dots} and {counted(hidden, 'more operation')}", "dim")

    def _walk(self, step: Step, lead: str, below: str) -> Iterator[tuple[str, Step]]:
        yield lead, step
        for index, child in enumerate(step.children):
            is_last = index == len(step.children) - 1
            sign = self._signs.last if is_last else self._signs.branch
            yield from self._walk(child, below + sign, below + ("  " if is_last else self._signs.through))

    def _label(self, lead: str, step: Step, width: int) -> Text:
        flags, style = phrases.flags(step)
        prefix = _PREFIXES.get(step.kind, "")
        times = f" x {step.count:,}" if step.count > 1 else ""
        room = width - cell_len(lead) - cell_len(prefix) - cell_len(times) - cell_len(flags)
        name = clean(step.name) or UNKNOWN
        wanted = min(_MIN_NAME, cell_len(name))
        if room < wanted:  # the flags give way first
            flags = self._short(flags, max(0, cell_len(flags) + room - wanted))
            room = width - cell_len(lead) - cell_len(prefix) - cell_len(times) - cell_len(flags)
        label = Text().append(lead, "dim")
        label.append(prefix, "dim")
        label.append(self._short(name, max(1, room)), _STYLES.get(step.kind, ""))
        label.append(times, "bold")
        label.append(flags, style)
        label.append(" " * max(0, width - label.cell_len))
        return label

    def _row(self, label: Text, cells: list[str], widths: list[int], style: str) -> Text:
        for cell, width in zip(cells, widths, strict=True):
            label.append(" " * (_GAP + width - cell_len(cell)) + cell, "yellow" if UNKNOWN in cell else style)
        return label

    def _short(self, text: str, width: int) -> str:
        """The text within a width, its middle left out: both ends of a name tell it apart."""
        if cell_len(text) <= width:
            return text
        room = width - cell_len(self._signs.dots)
        if room < 2:  # noqa: PLR2004
            return set_cell_size(text, max(0, width))
        tail_room = room // 3
        tail = ""
        for character in reversed(text):
            if cell_len(character + tail) > tail_room:
                break
            tail = character + tail
        return set_cell_size(text, room - cell_len(tail)).rstrip() + self._signs.dots + tail

    # -- suggestions -----------------------------------------------------------------------

    def _suggestion(self, suggestion: Suggestion) -> Iterator[Text]:
        alarm = suggestion.level is Level.ALARM
        head = Text.assemble(
            (suggestion.level.value.upper().ljust(7), "bold red" if alarm else "bold yellow"),
            (f"{clean(suggestion.rule)} {clean(suggestion.type)}", "bold"),
        )
        yield from self._wrapped(head, indent=0)
        yield from self._wrapped(Text(clean(suggestion.description)), indent=7)
        if suggestion.savings is not None:
            yield from self._wrapped(Text(phrases.saves(suggestion.savings), "green"), indent=7)
        yield from self._wrapped(Text(phrases.where(suggestion), "dim"), indent=7)
        dot = f" {self._signs.dot} "
        weight = dot.join(
            (
                f"impact {suggestion.impact_score:.2f}",
                f"confidence {suggestion.confidence:.2f}",
                f"{suggestion.complexity.value} effort",
            )
        )
        yield from self._wrapped(Text(weight, "dim"), indent=7)
