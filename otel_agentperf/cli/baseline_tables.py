"""The tables of `otel-agentperf baseline`.

Names are broken between words: where a table is too wide for that, columns are left out, and it says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from otel_agentperf.advice.calibration import Calibration
from otel_agentperf.baselines.comparing import Change, Line, SubjectLines
from otel_agentperf.baselines.normals import Measure, Subject
from otel_agentperf.report.text import clean

FEWEST = "fewer than 30"
_MANY = 30
"""Below it a 95th percentile is one of the last two values."""
_GAP = 3
_WIDEST_WORD = 40
_LEAVES = (("in", "out"), ("first",), ("good",), ("cost",), ("p95",))
"""Columns that may be left out, in this order."""


def _table(*heads: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, overflow="fold", justify="right" if place else "left", no_wrap=place > 0)
    return table


def _titled(subject: Subject) -> Text:
    where = " in ".join(part for part in (subject.node, subject.graph) if part)
    text = Text(clean(f"{subject.kind.value.replace('_', ' ')} {subject.name}"))
    return text.append(clean(f" in {where}"), style="dim") if where else text


# -- what is normal ------------------------------------------------------------------------


def shown(lines: Sequence[SubjectLines], width: int) -> Iterator[RenderableType]:
    """What is normal for subjects, and what the columns mean.

    Args:
        lines: of the subjects.
        width: of the terminal, in characters.
    """
    titles = [_titled(each.subject) for each in lines]
    columns = {head: [tell(each) for each in lines] for head, tell in _COLUMNS.items()}
    if not any(Measure.FIRST_CHUNK_S in each.lines for each in lines):
        del columns["first"]
    left_out = _make_room(
        columns, width, max((len(word) for title in titles for word in title.plain.split()), default=0)
    )
    table = _table("", *columns)
    for title, *cells in zip(titles, *columns.values(), strict=True):
        table.add_row(title, *cells)
    yield table
    yield Text("; ".join(told for head, told in _MEANINGS.items() if head in columns))
    if left_out:
        yield Text(f"no room here for: {', '.join(left_out)}; a wider terminal and --format json have them")


def trends(lines: Sequence[SubjectLines]) -> list[Text]:
    """What becomes slower or faster, dearer or cheaper from day to day, a sentence each."""
    return [
        _titled(each.subject).append(
            f" is {'improving' if found.is_improving else 'declining'}: {found.change_percent:+.0f} % "
            f"{'cost' if measure is Measure.COST_USD else 'time'} over {found.values} days"
        )
        for each in lines
        for measure, found in each.trends.items()
    ]


def _make_room(columns: dict[str, list[str]], width: int, longest: int) -> list[str]:
    """Leave out what the names need the room of; tell what that is."""
    wanted = width - min(longest, _WIDEST_WORD)
    left_out: list[str] = []
    for heads in _LEAVES:
        if sum(_GAP + max(len(name), *map(len, cells), 0) for name, cells in columns.items()) <= wanted:
            break
        left_out += [head for head in heads if columns.pop(head, None) is not None]
    return left_out


def _told(measure: Measure, tell: Callable[[Line], str]) -> Callable[[SubjectLines], str]:
    def cell(each: SubjectLines) -> str:
        line = each.lines.get(measure)
        return tell(line) if line is not None else "-"

    return cell


def _samples(each: SubjectLines) -> str:
    return f"{max((line.samples for line in each.lines.values()), default=0):,}"


def _good(each: SubjectLines) -> str:
    if each.outcomes is None:
        return "-"
    ended = each.outcomes.successes + each.outcomes.failures
    return f"{each.outcomes.successes / ended:.1%}" if ended else "-"


def seconds(value: float) -> str:
    """A time that a person can read."""
    return f"{value:,.2f} s" if value >= 1 else f"{value * 1e3:,.1f} ms"


_COLUMNS: dict[str, Callable[[SubjectLines], str]] = {
    "seen": _samples,
    "good": _good,
    "median": _told(Measure.DURATION_S, lambda line: seconds(line.median)),
    "p95": _told(Measure.DURATION_S, lambda line: seconds(line.p95)),
    "first": _told(Measure.FIRST_CHUNK_S, lambda line: seconds(line.median)),
    "cost": _told(Measure.COST_USD, lambda line: f"{line.mean:,.2f}" if line.mean >= 1 else f"{line.mean:.6f}"),
    "in": _told(Measure.INPUT_TOKENS, lambda line: f"{line.mean:,.0f}"),
    "out": _told(Measure.OUTPUT_TOKENS, lambda line: f"{line.mean:,.0f}"),
}
_MEANINGS = {
    "median": "median and p95 are of the duration",
    "first": "first is the median time to the first chunk of a streamed answer",
    "cost": "cost is the average in dollars",
    "in": "in and out are average tokens",
}


# -- what came of advice -------------------------------------------------------------------


def advised(calibration: Calibration) -> Iterator[RenderableType]:
    """What came of advice by kind and what it rested on, and what the columns mean."""
    table = _table("advice", "right", "wrong", "ignored", "time", "cost")
    for kind, source, tally in calibration.counts():
        table.add_row(
            Text(clean(f"{kind}: {source}")),
            f"{tally.right:,}",
            f"{tally.wrong:,}",
            f"{tally.ignored:,}",
            _realised(tally.time_ratios, tally.time_claims),
            _realised(tally.cost_ratios, tally.cost_claims),
        )
    yield table
    yield Text("time and cost: what was saved, of what was claimed, on average (comparisons)")


def share(ratios: float, claims: int) -> float | None:
    """What was realised of what was claimed, on average; `None` where that was never seen."""
    return ratios / claims if claims else None


def _realised(ratios: float, claims: int) -> str:
    found = share(ratios, claims)
    return f"{found:.0%} ({claims:,})" if found is not None else "-"


# -- what differs --------------------------------------------------------------------------


def compared(found: Sequence[Change]) -> Table:
    """What differs between two baselines."""
    table = _table("", "seen", "mean", "median", "p95")
    for change in found:
        tell = _TOLD[change.measure]
        pairs = [_pair(change, tell, name) for name in ("mean", "median", "p95")]
        name = _titled(change.subject).append(f"\n  {change.measure.value}")
        table.add_row(name, _seen(change), *pairs)
    return table


def _seen(change: Change) -> str:
    counts = [line.samples if line is not None else 0 for line in (change.before, change.after)]
    mark = " *" if min(counts) < _MANY else ""
    return f"{counts[0]:,} > {counts[1]:,}{mark}"


def _pair(change: Change, tell: Callable[[float], str], name: str) -> str:
    old, new = (getattr(line, name) if line is not None else None for line in (change.before, change.after))
    if old is None or new is None:
        return f"{tell(old) if old is not None else '-'} > {tell(new) if new is not None else '-'}"
    by = f"\n{(new - old) / old:+.0%}" if old else ""
    return f"{tell(old)} > {tell(new)}{by}"


def _dollars(value: float) -> str:
    return f"${value:,.6f}"


def _tokens(value: float) -> str:
    return f"{value:,.0f}"


_TOLD: dict[Measure, Callable[[float], str]] = {
    Measure.DURATION_S: seconds,
    Measure.FIRST_CHUNK_S: seconds,
    Measure.COST_USD: _dollars,
    Measure.INPUT_TOKENS: _tokens,
    Measure.OUTPUT_TOKENS: _tokens,
}
