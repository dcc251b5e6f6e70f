"""Suggestions as lines for a terminal: the first three in full, the others in one line each, minor ones last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from otel_agentperf.analysis.figures import Figures, Finding
from otel_agentperf.analysis.figures import best as first
from otel_agentperf.model import Level
from otel_agentperf.report import phrases
from otel_agentperf.report.layout import Layout
from otel_agentperf.report.text import clean, counted, described, saves

BEST = 3
MAX_OTHERS = 20
_TEXT_INDENT = 7
_LEAST_PLACE = 24
"""Columns that the place of a suggestion is given before the name of its rule is left out."""


def best(layout: Layout, figures: Figures) -> Iterator[Text]:
    """The three first, in full."""
    shown = [finding for finding in figures.suggestions if not finding.below_threshold]
    if not shown:
        return
    what = counted(len(shown), "suggestion")
    yield Text()
    yield Text(what if len(shown) <= BEST else f"The best {BEST} of {what}", "bold")
    for finding in first(figures.suggestions, BEST):
        yield from _in_full(layout, finding)


def others(layout: Layout, figures: Figures) -> Iterator[Text]:
    """All but the first three in a line each; those below the threshold apart, and quieter."""
    in_full = first(figures.suggestions, BEST)
    rest = [finding for finding in figures.suggestions if finding not in in_full]
    above = [finding for finding in rest if not finding.below_threshold]
    below = [finding for finding in rest if finding.below_threshold]
    if above:
        yield from _listed(layout, Text(counted(len(above), "more suggestion"), "bold"), above)
    if below:
        title = f"{counted(len(below), 'suggestion')} of little impact, below the threshold of {figures.threshold:g}"
        yield from _listed(layout, Text(title, "dim"), below)


def _listed(layout: Layout, title: Text, findings: Sequence[Finding]) -> Iterator[Text]:
    yield Text()
    yield from layout.wrapped(title, indent=0)
    for finding in findings[:MAX_OTHERS]:
        dot = f" {layout.signs.dot} "
        saving = f"{dot}{saves(finding, is_brief=True)}" if finding.basis is not None else ""
        quiet = finding.below_threshold
        line = Text("minor".ljust(_TEXT_INDENT), "dim") if quiet else _level(finding)
        place = clean(finding.applies_to[0])
        named, brief = f"{clean(finding.rule)} {clean(finding.type)}: ", f"{clean(finding.rule)}: "
        room = layout.width - line.cell_len - cell_len(saving) - min(cell_len(place), _LEAST_PLACE)
        line.append(named if cell_len(named) <= room else brief)
        # The place may be cut short; what it would save is what the line is for.
        line.append(layout.short(place, max(1, layout.width - line.cell_len - cell_len(saving))))
        line.append(layout.short(saving, max(1, layout.width - line.cell_len)))
        if quiet:
            line.stylize("dim")
        yield line
    if len(findings) > MAX_OTHERS:
        yield Text(f"{layout.signs.dots} and {len(findings) - MAX_OTHERS:,} more", "dim")


def _level(finding: Finding) -> Text:
    alarm = finding.level is Level.ALARM
    return Text(finding.level.value.upper().ljust(_TEXT_INDENT), "bold red" if alarm else "bold yellow")


def _in_full(layout: Layout, finding: Finding) -> Iterator[Text]:
    head = _level(finding).append(f"{clean(finding.rule)} {clean(finding.type)}", "bold")
    yield from layout.wrapped(head, indent=0)
    yield from layout.wrapped(Text(clean(described(finding.description, finding.runs))), indent=_TEXT_INDENT)
    if finding.basis is not None:
        yield from layout.wrapped(Text(saves(finding), "green"), indent=_TEXT_INDENT)
    yield from layout.wrapped(Text(phrases.where(finding), "dim"), indent=_TEXT_INDENT)
    weight = [
        f"impact {finding.impact_score:.2f}",
        f"confidence {finding.confidence:.2f}",
        f"{finding.complexity.value} effort",
    ]
    yield from layout.wrapped(Text(f" {layout.signs.dot} ".join(weight), "dim"), indent=_TEXT_INDENT)
