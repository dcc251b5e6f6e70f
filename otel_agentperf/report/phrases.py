"""The phrases of a report: short, clean texts with their styles. `terminal` lays them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from otel_agentperf.analysis.figures import Figures, Finding
from otel_agentperf.report import split
from otel_agentperf.report.run import RunReport
from otel_agentperf.report.text import UNKNOWN, clean, counted, duration, once, savings_in, tokens, usd
from otel_agentperf.report.tree import Spend, Step

_SPAN_IDS = 2
_RATING_STYLES = {"A": "green", "B": "green", "C": "yellow", "D": "red", "F": "bold red"}


def state_style(report: RunReport) -> str:
    """The style of the word for how the run ended."""
    if report.status == "ok":
        return "green"
    return "bold red" if report.status == "failed" else "yellow"


def sums(figures: Figures) -> Iterator[Text]:
    """What was taken, spent and called."""
    calls, used = figures.calls, figures.tokens
    yield Text(duration(round(figures.duration_s * 1e9)), "bold")
    if calls.billed:
        yield Text(split.total(figures), "bold")
        yield from (Text(remark, "yellow") for remark in split.remarks(figures))
    if used.input or used.output:
        yield Text(f"{tokens(used.input)} tokens in, {tokens(used.output)} out")
    for number, noun in (
        (calls.model, "model call"),
        (calls.embedding, "embedding call"),
        (calls.tool, "tool call"),
        (calls.service, "service call"),
    ):
        if number:
            yield Text(counted(number, noun))
    if calls.errors:
        yield Text(counted(calls.errors, "error"), "red")


def spent_on(figures: Figures) -> Iterator[Text]:
    """What the money went to, the largest part first."""
    for place, phrase in enumerate(split.phrases(figures.costs)):
        yield Text.assemble(("cost: ", "dim"), phrase) if place == 0 else Text(phrase)


def scores(report: RunReport) -> Iterator[Text]:
    """The scores of a run, and what could be saved of it."""
    yield from judged(report.figures, report.rating)
    if report.score is not None:
        yield Text(f"evaluation {report.score:g}")


def judged(figures: Figures, rating: str | None) -> Iterator[Text]:
    """The scores, and what could be saved."""
    if figures.not_scored is not None:
        yield Text(f"not rated: {figures.not_scored}", "yellow")
    else:
        yield Text(f"efficiency {figures.efficiency_score}/100")
        if rating is not None:
            yield Text.assemble("cost rating ", (clean(rating), _RATING_STYLES.get(rating, "bold")))
        else:
            yield Text(f"cost rating {UNKNOWN}", "yellow")
    if could := savings_in(figures.savings):
        here = " in this run" if figures.session_savings is not None else ""
        yield Text(f"could save{here} {', '.join(could)}{once(figures)}", "green")
    if figures.session_savings is not None and (could := savings_in(figures.session_savings)):
        yield Text(f"in its session {', '.join(could)}", "green")


def repeats_folded(names: Iterable[str]) -> Iterator[str]:
    """Names in order, one that follows itself said once with its number."""
    last, times = "", 0
    for name in (*names, None):
        if name == last:
            times += 1
            continue
        if times:
            yield last if times == 1 else f"{last} x {times}"
        last, times = name or "", 1


def cells(step: Step) -> list[str]:
    """Time, input tokens, output tokens and cost of a step; empty where it has none."""
    spend = step.spend
    used = spend.requests > 0
    return [
        duration(step.duration_ns),
        tokens(spend.input_tokens) if used else "",
        tokens(spend.output_tokens) if used else "",
        cost(spend),
    ]


def cost(spend: Spend) -> str:
    """What a step cost: empty where nothing is billed, `?` where it is and the price is unknown."""
    if not spend.unpriced_calls:
        return usd(spend.cost_usd) if spend.priced_calls else ""
    return f"{usd(spend.cost_usd)} + {UNKNOWN}" if spend.priced_calls else UNKNOWN


def flags(step: Step) -> tuple[str, str]:
    """What is to be said of how a step ended, and its style."""
    flags: list[str] = []
    if step.errors:
        what = f": {clean(step.error_type)}" if step.error_type not in (None, "_OTHER") else ""
        flags.append(f"failed{what}" if step.count == 1 else f"{step.errors} failed{what}")
    elif step.outcome is not None:
        flags.append(clean(step.outcome))
    if step.attempts > 1:
        flags.append(f"{step.attempts} attempts")
    style = "red" if step.errors else "yellow"
    return (f" ({', '.join(flags)})" if flags else "", style)


def where(suggestion: Finding) -> str:
    """What a suggestion applies to."""
    where = ", ".join(clean(target) for target in suggestion.applies_to)
    ids = suggestion.span_ids
    if not ids:
        return f"where: {where}"
    more = f" and {len(ids) - _SPAN_IDS} more" if len(ids) > _SPAN_IDS else ""
    return f"where: {where} (span {', '.join(clean(span_id) for span_id in ids[:_SPAN_IDS])}{more})"
