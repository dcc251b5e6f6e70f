"""The phrases of a report: short, clean texts with their styles. `terminal` lays them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from otel_agentperf.model import SavingBasis, Savings, Suggestion
from otel_agentperf.report.run import RunReport
from otel_agentperf.report.text import UNKNOWN, clean, counted, duration, tokens, usd
from otel_agentperf.report.tree import Spend, Step

_SPAN_IDS = 2
_BASES = {
    SavingBasis.MEASURED: "measured: already spent",
    SavingBasis.REPRICED: "the same tokens at another price",
    SavingBasis.ESTIMATED: "estimated",
}
_RATING_STYLES = {"A": "green", "B": "green", "C": "yellow", "D": "red", "F": "bold red"}


def state(report: RunReport) -> tuple[str, str]:
    """How the run ended, in a word, and its style."""
    if not report.root_seen:
        return "root not seen", "yellow"
    if report.error_type is not None:
        return "failed", "bold red"
    if report.outcome is not None:
        return clean(report.outcome), "yellow"
    return ("ok", "green") if report.success else ("failed", "bold red")


def sums(report: RunReport) -> Iterator[Text]:
    """What the run took, cost and called."""
    totals = report.totals
    yield Text(duration(report.duration_ns), "bold")
    billed = totals.inference_calls + totals.embedding_calls + totals.service_calls
    if billed:
        spend = Spend(
            cost_usd=totals.cost_usd,
            priced_calls=max(0, billed - totals.unpriced_calls),
            unpriced_calls=totals.unpriced_calls,
        )
        yield Text(cost(spend) or usd(totals.cost_usd), "bold")
    if totals.input_tokens or totals.output_tokens:
        yield Text(f"{tokens(totals.input_tokens)} tokens in, {tokens(totals.output_tokens)} out")
    for number, noun in (
        (totals.inference_calls, "model call"),
        (totals.embedding_calls, "embedding call"),
        (totals.tool_calls, "tool call"),
        (totals.service_calls, "service call"),
    ):
        if number:
            yield Text(counted(number, noun))
    if totals.errors:
        yield Text(counted(totals.errors, "error"), "red")


def scores(report: RunReport) -> Iterator[Text]:
    """The run's scores, where its root was seen."""
    if not report.root_seen:
        return
    yield Text(f"efficiency {report.efficiency_score}/100")
    totals = report.totals
    is_billed = bool(totals.inference_calls + totals.embedding_calls + totals.service_calls)
    if is_billed and report.rating is not None:
        rating = clean(report.rating) + (" or worse" if totals.unpriced_calls else "")
        yield Text.assemble("cost rating ", (rating, _RATING_STYLES.get(report.rating, "bold")))
    elif is_billed:
        yield Text(f"cost rating {UNKNOWN}", "yellow")
    if report.score is not None:
        yield Text(f"evaluation {report.score:g}")


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


def saves(savings: Savings) -> str:
    """What following a suggestion would have saved, and what that rests on."""
    what: list[str] = []
    if savings.time_s is not None:
        what.append(duration(round(savings.time_s * 1e9)))
    if savings.cost_usd is not None:
        what.append(usd(savings.cost_usd))
    return f"saves {' and '.join(what) or UNKNOWN} ({_BASES[savings.basis]})"


def where(suggestion: Suggestion) -> str:
    """What a suggestion applies to."""
    where = ", ".join(clean(target) for target in suggestion.applies_to)
    ids = suggestion.span_ids
    if not ids:
        return f"where: {where}"
    more = f" and {len(ids) - _SPAN_IDS} more" if len(ids) > _SPAN_IDS else ""
    return f"where: {where} (span {', '.join(clean(span_id) for span_id in ids[:_SPAN_IDS])}{more})"
