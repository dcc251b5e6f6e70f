"""Suggestions as lines for a terminal: the best three in full, the others in one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from otel_agentperf.analysis import figures
from otel_agentperf.analysis.figures import Finding
from otel_agentperf.model import Level
from otel_agentperf.report import phrases
from otel_agentperf.report.layout import Layout
from otel_agentperf.report.text import clean, counted, described

BEST = 3
MAX_OTHERS = 20
_TEXT_INDENT = 7


def best(layout: Layout, findings: Sequence[Finding]) -> Iterator[Text]:
    """The three best, in full."""
    if not findings:
        return
    what = counted(len(findings), "suggestion")
    yield Text()
    yield Text(what if len(findings) <= BEST else f"The best {BEST} of {what}", "bold")
    for finding in figures.best(findings, BEST):
        yield from _in_full(layout, finding)


def others(layout: Layout, findings: Sequence[Finding]) -> Iterator[Text]:
    """All but the best three, in a line each."""
    told = figures.best(findings, BEST)
    rest = [finding for finding in findings if finding not in told]
    if not rest:
        return
    yield Text()
    yield Text(counted(len(rest), "more suggestion"), "bold")
    for finding in rest[:MAX_OTHERS]:
        dot = f" {layout.signs.dot} "
        saving = f"{dot}{phrases.saves(finding, basis=False)}" if finding.basis is not None else ""
        line = _level(finding)
        line.append(f"{clean(finding.rule)} {clean(finding.type)}: ")
        # The place may be cut short; what it would save is what the line is for.
        line.append(layout.short(clean(finding.applies_to[0]), max(1, layout.width - line.cell_len - len(saving))))
        line.append(saving)
        yield line
    if len(rest) > MAX_OTHERS:
        yield Text(f"{layout.signs.dots} and {len(rest) - MAX_OTHERS:,} more", "dim")


def _level(finding: Finding) -> Text:
    alarm = finding.level is Level.ALARM
    return Text(finding.level.value.upper().ljust(_TEXT_INDENT), "bold red" if alarm else "bold yellow")


def _in_full(layout: Layout, finding: Finding) -> Iterator[Text]:
    head = _level(finding).append(f"{clean(finding.rule)} {clean(finding.type)}", "bold")
    yield from layout.wrapped(head, indent=0)
    yield from layout.wrapped(Text(clean(described(finding.description, finding.runs))), indent=_TEXT_INDENT)
    if finding.basis is not None:
        yield from layout.wrapped(Text(phrases.saves(finding), "green"), indent=_TEXT_INDENT)
    yield from layout.wrapped(Text(phrases.where(finding), "dim"), indent=_TEXT_INDENT)
    weight = [
        f"impact {finding.impact_score:.2f}",
        f"confidence {finding.confidence:.2f}",
        f"{finding.complexity.value} effort",
    ]
    yield from layout.wrapped(Text(f" {layout.signs.dot} ".join(weight), "dim"), indent=_TEXT_INDENT)
