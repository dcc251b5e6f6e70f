"""What is drawn on a page: the waterfall of a run, money by agent and model, the mix of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from otel_agentperf.analysis.figures import Part
from otel_agentperf.model import OperationKind
from otel_agentperf.report.html.charts import Bar, Chart, draw, room_for
from otel_agentperf.report.html.names import plain
from otel_agentperf.report.spans import SpanLine
from otel_agentperf.report.split import Share
from otel_agentperf.report.text import money, seconds, tokens

ROWS_A_CHART = 25
"""Rows of a waterfall between two axes; printed, a page is broken there and holds two of them."""
MAX_PARTS = 15
"""Agents or models in a chart; the table beneath it has all."""
MAX_INDENT = 8
CLASSES = {
    OperationKind.WORKFLOW: "k-workflow",
    OperationKind.AGENT: "k-agent",
    OperationKind.NODE: "k-node",
    OperationKind.INFERENCE: "k-model",
    OperationKind.EMBEDDINGS: "k-model",
    OperationKind.TOOL: "k-tool",
    OperationKind.RETRIEVAL: "k-tool",
    OperationKind.SERVICE: "k-service",
    OperationKind.OTHER: "k-other",
}
WORDS = {OperationKind.INFERENCE: "model", OperationKind.EMBEDDINGS: "embedding"}
MIX = ("fresh input", "cached input", "output", "thoughts")


def word(kind: OperationKind) -> str:
    """What a kind of operation is called on a page."""
    return WORDS.get(kind, kind.value)


def ended(span: SpanLine) -> str:
    """How a span ended, where that is not simply well."""
    if span.error_type is not None:
        return "failed" if span.error_type == "_OTHER" else f"failed: {plain(span.error_type)}"
    return plain(span.outcome) if span.outcome is not None else ""


def waterfall(run_id: str, spans: Sequence[SpanLine], duration_s: float) -> list[Markup]:
    """The waterfall of a run, in pieces of 25 rows that share one scale of time.

    Args:
        run_id: told before every id, so that several runs can stand on one page.
        spans: its spans, each beneath its parent.
        duration_s: how long the run took.
    """
    last = max((span.start_s + span.duration_s for span in spans), default=0.0)
    longest = max(duration_s, last)
    bars = [_span_bar(run_id, span) for span in spans]
    pieces = [bars[at : at + ROWS_A_CHART] for at in range(0, len(bars), ROWS_A_CHART)]
    room = room_for(bars)
    return [
        draw(
            Chart(
                id=f"{run_id}-waterfall-{number}",
                said=_said_of(piece, number, len(pieces)),
                classes="waterfall",
                bars=piece,
                series=("before", "span"),
                format_tick=_tick_seconds,
                longest=longest,
                label_cells=room,
                is_floating=True,
            )
        )
        for number, piece in enumerate(pieces, 1)
    ]


def _said_of(piece: Sequence[Bar], number: int, pieces: int) -> str:
    which = f", part {number} of {pieces}" if pieces > 1 else ""
    return f"Waterfall of the run{which}: {len(piece)} operations over time. The table beneath it has the same."


def _span_bar(run_id: str, span: SpanLine) -> Bar:
    price = money(span.cost_usd) if span.is_billed else ""
    state = ended(span)
    facts = [
        f"{word(span.kind)} {plain(span.name)}",
        f"{seconds(span.duration_s)} from {seconds(max(0.0, span.start_s))}",
        *([price] if price else []),
        *([state] if state else []),
        *([f"see {', '.join(span.suggestions)}"] if span.suggestions else []),
    ]
    mark = "✕ " if span.error_type is not None else ""
    written = " · ".join(fact for fact in (seconds(span.duration_s), price, *span.suggestions[:2]) if fact)
    return Bar(
        label=f"{mark}{span.name}",
        values=(max(0.0, span.start_s), max(0.0, span.duration_s)),
        said=", ".join(facts),
        written=written,
        indent=min(span.depth, MAX_INDENT),
        classes=CLASSES[span.kind] + (" failed" if span.error_type is not None else ""),
        id=f"{run_id}-{span.span_id}",
        href=f"#{run_id}-{span.suggestions[0]}" if span.suggestions else None,
    )


def money_by(chart_id: str, what: str, parts: Sequence[Part]) -> Markup | None:
    """Money by agent, model or service; none where nothing was spent.

    Args:
        chart_id: the chart's id.
        what: what the parts are, such as `agent`.
        parts: the parts, the dearest first.
    """
    spent = [part for part in parts if part.cost_usd]
    if not spent:
        return None
    bars = [
        Bar(
            label=part.name,
            values=(float(part.cost_usd or 0),),
            said=f"{plain(part.name)}: {money(part.cost_usd, part.unpriced_calls)}",
            written=money(part.cost_usd, part.unpriced_calls),
        )
        for part in spent[:MAX_PARTS]
    ]
    return draw(
        Chart(
            id=chart_id,
            said=f"Money by {what}. The table beneath it has the same.",
            classes="money",
            bars=bars,
            series=("cost",),
            format_tick=_tick_usd,
            longest=max(bar.values[0] for bar in bars),
            label_cells=room_for(bars),
        )
    )


def money_split(chart_id: str, shares: Sequence[Share]) -> Markup | None:
    """What the money went to, a bar a part; none where nothing is known to have been spent.

    Args:
        chart_id: the chart's id.
        shares: the parts, the largest first.
    """
    if not shares:
        return None
    bars = [
        Bar(
            label=each.name,
            values=(float(each.usd),),
            said=f"{each.name}: {money(each.usd)}, {each.percent}",
            written=f"{money(each.usd)} ({each.percent})",
        )
        for each in shares
    ]
    return draw(
        Chart(
            id=chart_id,
            said="What the money went to. The table beneath it has the same.",
            classes="money",
            bars=bars,
            series=("cost",),
            format_tick=_tick_usd,
            longest=bars[0].values[0],
            label_cells=room_for(bars),
        )
    )


def token_mix(chart_id: str, what: str, parts: Sequence[Part]) -> Markup | None:
    """Tokens by agent or model, fresh and cached input, output and thoughts told apart; none without tokens."""
    used = sorted((part for part in parts if part.tokens.input or part.tokens.output), key=_most_tokens)
    if not used:
        return None
    bars = [_mix_bar(part) for part in used[:MAX_PARTS]]
    return draw(
        Chart(
            id=chart_id,
            said=f"Tokens by {what}. The table beneath it has the same.",
            classes="mix",
            bars=bars,
            series=MIX,
            format_tick=_tick_tokens,
            longest=max(sum(bar.values) for bar in bars),
            label_cells=room_for(bars),
        )
    )


def _most_tokens(part: Part) -> tuple[int, str]:
    return -part.tokens.input - part.tokens.output, part.name


def _mix_bar(part: Part) -> Bar:
    used = part.tokens
    numbers = (max(0, used.input - used.cached), used.cached, max(0, used.output - used.thoughts), used.thoughts)
    name = plain(part.name)
    return Bar(
        label=part.name,
        values=tuple(map(float, numbers)),
        said=name,
        parts=tuple(f"{name}, {kind}: {tokens(number)}" for kind, number in zip(MIX, numbers, strict=True)),
        written=tokens(used.input + used.output),
    )


def _tick_seconds(number: float) -> str:
    return seconds(number) if number else "0 s"


def _tick_usd(amount: float) -> str:
    return f"${amount:,.6f}".rstrip("0").rstrip(".")


def _tick_tokens(number: float) -> str:
    return tokens(round(number))
