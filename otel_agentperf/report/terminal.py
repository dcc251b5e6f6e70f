"""A report as lines for a terminal or a pipe, never wider than asked for.

The caller says how wide, whether in colour, and whether box characters can be shown. The best
three suggestions come first, then what ran, then the other suggestions.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.text import Text

from otel_agentperf.model import OperationKind
from otel_agentperf.report import advice, phrases
from otel_agentperf.report.collection import ReportSet
from otel_agentperf.report.layout import GAP, Layout
from otel_agentperf.report.overview import session_lines, set_lines
from otel_agentperf.report.run import RunReport
from otel_agentperf.report.session import SessionReport
from otel_agentperf.report.text import UNKNOWN, clean, counted
from otel_agentperf.report.tree import Step

MAX_TREE_LINES = 200
_MIN_NAME = 14
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


def render(
    report: RunReport | SessionReport | ReportSet, *, width: int = 80, color: bool = False, ascii_only: bool = False
) -> str:
    """Render a report.

    Args:
        report: what to show.
        width: the most columns that a line may take; at least 60.
        color: whether to write colours, as escape sequences.
        ascii_only: whether to do without box characters; names are then reduced to ASCII too.

    Returns:
        The lines, each ended, with an empty one before and none after.
    """
    layout = Layout(width, color=color, ascii_only=ascii_only)
    if isinstance(report, RunReport):
        return layout.printed(_RunPage(layout).lines(report))
    if isinstance(report, SessionReport):
        return layout.printed(session_lines(layout, report))
    return layout.printed(set_lines(layout, report))


class _RunPage:
    """Lays out the report on one run."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._width = layout.width
        self._signs = layout.signs

    def lines(self, report: RunReport) -> Iterator[Text]:
        yield Text()
        yield from self._header(report)
        yield from advice.best(self._layout, report.figures)
        yield Text()
        yield from self._tree(report.tree)
        yield from self._layout.resources(report.figures)
        yield from advice.others(self._layout, report.figures)

    # -- header ----------------------------------------------------------------------------

    def _header(self, report: RunReport) -> Iterator[Text]:
        layout = self._layout
        yield layout.title(clean(report.name), clean(report.status), phrases.state_style(report))
        ids = [f"session {clean(report.session_id)}"] if report.session_id else []
        if report.trace_id:
            ids.append(f"trace {clean(report.trace_id)}")
        yield from layout.facts(Text(fact, "dim") for fact in ids)
        yield from layout.facts(phrases.sums(report.figures))
        yield from layout.facts(phrases.scores(report) if report.root_seen else ())
        yield from layout.facts(phrases.spent_on(report.figures))
        if report.critical_path:
            arrow = f" {self._signs.arrow} "
            path = arrow.join(phrases.repeats_folded(clean(name) for name in report.critical_path))
            yield from layout.wrapped(Text.assemble(("critical path ", "dim"), path))
        for note in report.notes:
            yield from layout.wrapped(Text(clean(note), "yellow"))

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
        name_width = self._width - sum(width + GAP for width in widths)
        yield self._layout.row(Text(" " * name_width), titles, widths, "dim")
        for lead, step, cells in rows:
            yield self._layout.row(self._label(lead, step, name_width), cells, widths, "")
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
            flags = self._layout.short(flags, max(0, cell_len(flags) + room - wanted))
            room = width - cell_len(lead) - cell_len(prefix) - cell_len(times) - cell_len(flags)
        label = Text().append(lead, "dim")
        label.append(prefix, "dim")
        label.append(self._layout.short(name, max(1, room)), _STYLES.get(step.kind, ""))
        label.append(times, "bold")
        label.append(flags, style)
        label.append(" " * max(0, width - label.cell_len))
        return label
