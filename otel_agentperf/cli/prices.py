"""`otel-agentperf prices [MODEL]`: what would be charged, and where the figure comes from."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_agentperf import config
from otel_agentperf.pricing import PriceBook, explain
from otel_agentperf.pricing.explain import Explanation, ModelLine, UnknownModel

_UNKNOWN = "-"
_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command("prices")
@click.argument("model", required=False)
@click.option("--provider", default=explain.ANY, help="Who sells it; by default it is found by its name alone.")
@click.option("--date", "day", type=_DAY, default=None, help="The day whose prices to show; today if absent.")
def prices(model: str | None, provider: str, day: datetime | None) -> None:
    """Show what MODEL is charged at, or list the Gemini models whose price is known."""
    try:
        book = PriceBook(config.load().prices)
    except config.SettingsError as error:
        raise click.ClickException(str(error)) from None
    when_ns = time.time_ns() if day is None else int(day.replace(tzinfo=UTC).timestamp()) * 1_000_000_000
    console = Console(highlight=False)
    if model is None:
        _print_list(console, explain.known(book, when_ns=when_ns))
        return
    found = explain.explain(book, model, when_ns=when_ns, provider=provider)
    if isinstance(found, UnknownModel):
        raise click.ClickException(_unknown(found))
    _print_model(console, found)


def _unknown(found: UnknownModel) -> str:
    lines = [f"no price for {found.model}: {found.reason}"]
    if found.close:
        lines.append("Close names: " + ", ".join(found.close))
    lines.append(
        f'Your own rates go into the file that {config.ENV_PREFIX}CONFIG names: [prices.models."{found.model}"]'
    )
    return "\n".join(lines)


def dollars(usd: Decimal | None) -> str:
    """Return a price without needless zeros, two decimals at least; `-` where it is unknown."""
    if usd is None:
        return _UNKNOWN
    places = max(2, -int(usd.normalize().as_tuple().exponent))
    return f"${usd:.{places}f}"


def _table(*heads: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(heads[0], overflow="fold")
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _print_list(console: Console, lines: tuple[ModelLine, ...]) -> None:
    table = _table("USD per million tokens", "input", "cached", "output")
    for line in lines:
        name = f"{line.model} *" if line.own else line.model
        table.add_row(name, dollars(line.input_usd), dollars(line.cache_read_usd), dollars(line.output_usd))
    console.print(table)
    if any(line.own for line in lines):
        console.print(Text("* from your settings file"))
    console.print(Text("otel-agentperf prices MODEL shows tiers, thresholds, grounding and storage."))


def _print_model(console: Console, found: Explanation) -> None:
    console.print(Text(f"{found.model} on {found.day}", style="bold"))
    if found.image_usd is not None or found.second_usd:
        _print_units(console, found)
    else:
        _print_rates(console, found)
    for day in found.changes:
        console.print(Text(f"The list price changes on {day} (--date {day})"))
    if found.assumption is not None:
        console.print(Text(f"Estimated: {found.assumption}"))
    console.print(Text("From:"))
    origins = Table.grid(padding=(0, 1))
    for tier, source in zip(explain.TIERS, found.sources, strict=True):
        origins.add_row(f"  {tier.value}", source)
    console.print(origins)


def _print_units(console: Console, found: Explanation) -> None:
    if found.image_usd is not None:
        console.print(Text(f"{dollars(found.image_usd)} for each image (or song)"))
    for resolution, usd in found.second_usd.items():
        console.print(Text(f"{dollars(usd)} for each second{f' in {resolution}' if resolution else ''}"))


def _print_rates(console: Console, found: Explanation) -> None:
    table = _table("USD per million tokens", *(tier.value for tier in explain.TIERS))
    above = 0
    for row in found.rows:
        if row.above_tokens != above:
            above = row.above_tokens
            table.add_section()
            table.add_row(Text(f"requests above {above:,} input tokens", style="italic"))
        table.add_row(row.label, *(dollars(row.usd[tier]) for tier in explain.TIERS))
    console.print(table)
    unit = "requests that search" if found.grounding_per_request else "search queries"
    if found.grounding_usd is not None:
        console.print(Text(f"Grounding: {dollars(found.grounding_usd)} per 1,000 {unit}, free allowance not counted"))
    else:
        console.print(Text("Grounding: price unknown"))
    if found.maps_usd is not None:
        asked = "requests grounded with it" if found.grounding_per_request else "queries"
        console.print(Text(f"Google Maps: {dollars(found.maps_usd)} per 1,000 {asked}"))
    if found.regional_times is not None:
        console.print(Text(f"Regional endpoints of Vertex AI: times {found.regional_times}, grounding excepted"))
    if found.storage_usd is not None:
        console.print(Text(f"Context cache: {dollars(found.storage_usd)} per million tokens per hour kept"))
    else:
        console.print(Text("Context cache: storage price unknown"))
