"""What `analyze` and `learn` read: the options that name it, and how it is gone through."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from otel_agentperf.baselines.opening import UnreadableError
from otel_agentperf.cli.progress import progress_bar
from otel_agentperf.config import Settings, SettingsError
from otel_agentperf.replay import backends
from otel_agentperf.replay.engines import ReplayEngine, WorkerDiedError
from otel_agentperf.replay.extras import MissingExtraError
from otel_agentperf.replay.local import LocalEngine
from otel_agentperf.replay.outcome import Outcome, UnknownSessionError
from otel_agentperf.replay.places import LineNumbers
from otel_agentperf.replay.replay import replay
from otel_agentperf.replay.sources import NoSourceError, Source, files
from otel_agentperf.replay.troubles import TroubleTeller
from otel_agentperf.report.render import MissingExtraError as FormatNeedsExtraError

C = TypeVar("C", bound=Callable[..., Any])
UNUSABLE = 2
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])\Z")


class Unusable(click.ClickException):
    """Wrong use, or nothing that could be read."""

    exit_code = UNUSABLE


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A time as Unix seconds: so long ago (`90m`, `2d`), or ISO 8601, in UTC where it names no zone."""
    del context, parameter
    if value is None:
        return None
    text = value.strip()
    ago = _AGO.match(text)
    if ago:
        return time.time() - float(ago[1]) * _UNITS_S[ago[2]]
    if text == "now":
        return time.time()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a time ago, such as 90m, 6h or 2d, nor ISO 8601") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def header(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Headers of HTTP; a value may be a secret and is not told."""
    del context, parameter
    found: dict[str, str] = {}
    for value in values:
        name, equals, said = value.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter("a header is written NAME=VALUE")
        found[name.strip()] = said.strip()
    return found


_OPTIONS = (
    click.option(
        "--since",
        callback=moment,
        metavar="TIME",
        help="Ask a backend from then on: 90m, 6h, 2d or ISO 8601.  [default: 1h]",
    ),
    click.option("--until", callback=moment, metavar="TIME", help="Ask a backend until then.  [default: now]"),
    click.option("--query", help="Ask Tempo with this TraceQL."),
    click.option("--service", help="Ask a backend for traces of this service."),
    click.option("--limit", type=click.IntRange(1), help="Ask a backend for so many traces at most.  [default: 1000]"),
    click.option(
        "--header",
        "headers",
        callback=header,
        metavar="NAME=VALUE",
        multiple=True,
        help="Send this to a backend, such as a token.",
    ),
    click.option("--engine", type=click.Choice(["local", "dask"]), default="local", show_default=True),
    click.option("--scheduler", metavar="ADDRESS", help="Where the Dask scheduler is, such as tcp://10.0.0.1:8786."),
    click.option("--workers", type=click.IntRange(1), help="Processes of the local engine.  [default: one a core]"),
)


def source_options(command: C) -> C:
    """The options that say where the traces are, and who goes through them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def told_plainly() -> Generator[None]:
    """What is not to be had, or wrong, in one line."""
    try:
        yield
    except (
        SettingsError,
        NoSourceError,
        UnreadableError,
        MissingExtraError,
        FormatNeedsExtraError,
        UnknownSessionError,
        WorkerDiedError,
        OSError,
    ) as error:
        message = str(error.args[0]) if isinstance(error, LookupError) else str(error)
        raise Unusable(message.removeprefix("otel-agentperf: ")) from None


def titled(sources: Sequence[Source]) -> str:
    """What a report on these is called."""
    rest = len(sources) - 1
    return f"{sources[0].name} and {rest} more" if rest else sources[0].name


def engine_of(asked: dict[str, Any]) -> ReplayEngine:
    """The engine that the options ask for; they are taken out."""
    name, scheduler, workers = (asked.pop(option) for option in ("engine", "scheduler", "workers"))
    if name == "local":
        if scheduler:
            raise click.UsageError("--scheduler goes with --engine dask")
        return LocalEngine(workers)
    if not scheduler:
        raise click.UsageError("--engine dask needs --scheduler ADDRESS")
    if workers:
        raise click.UsageError("--workers goes with --engine local; a Dask cluster has its own")
    from otel_agentperf.replay.on_dask import DaskEngine  # noqa: PLC0415 - needs an extra

    return DaskEngine(scheduler)


def sources_of(names: Sequence[str], asked: dict[str, Any]) -> list[Source]:
    """What the names and options ask for.

    Raises:
        NoSourceError: there is none of a name.
    """
    addresses = [name for name in names if backends.is_backend(name)]
    if not addresses:
        for option, value in asked.items():
            if value:
                raise click.UsageError(f"--{option.removesuffix('s')} goes with the address of a backend")
    if asked["query"] and asked["service"]:
        raise click.UsageError("--service is not added to --query; name the service in the query")
    until_s = asked["until"] if asked["until"] is not None else time.time()
    since_s = asked["since"] if asked["since"] is not None else until_s - _UNITS_S["h"]
    if since_s >= until_s:
        raise click.UsageError("--since must lie before --until")
    wanted = backends.Filter(
        since_s,
        until_s,
        asked["query"] or "",
        asked["service"] or "",
        asked["limit"] or backends.Filter.limit,
        asked["headers"],
    )
    return [*files(name for name in names if name not in addresses), *(backends.source(n, wanted) for n in addresses)]


def replayed(sources: Sequence[Source], settings: Settings, engine: ReplayEngine, **options: Any) -> Outcome:
    """Go through sources with a progress bar; `options` are those of `replay`."""
    with progress_bar(sum(source.size for source in sources)) as bar:
        teller = TroubleTeller(bar.say, LineNumbers())
        outcome = replay(
            sources,
            settings,
            engine,
            on_troubles=teller.take,
            on_progress=bar.update,
            **options,
        )
        teller.finish()
    return outcome
