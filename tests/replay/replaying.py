"""Replays of what tests make up, in this process."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from otel_agentperf import config
from otel_agentperf.config import Settings
from otel_agentperf.replay.local import LocalEngine
from otel_agentperf.replay.outcome import Outcome
from otel_agentperf.replay.replay import replay
from otel_agentperf.replay.sources import files
from otel_agentperf.replay.troubles import Troubles
from otel_agentperf.report.collection import By
from otel_agentperf.report.document import document
from tests.benchmarks import traces
from tests.replay.forms import Request, requests_of


def made_up(runs: int = 12, seed: int = 1) -> list[Request]:
    """Runs of three services, their spans scattered over requests."""
    return requests_of(traces.lines(runs, seed))


def replayed(*paths: Path | str, settings: Settings | None = None, **options: Any) -> Outcome:
    """Replay files without other processes; what cannot be read fails the test."""

    def complain(troubles: Troubles) -> None:
        assert not troubles.count, troubles.kept

    options.setdefault("on_troubles", complain)
    engine = options.pop("engine", None) or LocalEngine(1)
    return replay(files(map(str, paths)), settings or config.load({}), engine, **options)


def told(outcome: Outcome) -> Any:
    """The report on an outcome as it would be written."""
    return document(outcome.report("test", By.RUN))


def same(one: Any, other: Any) -> bool:
    """Whether two reports say the same; floats may differ in their last places."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def spans_in(requests: Iterable[Request]) -> list[tuple[Any, str, Request]]:
    """Each span with its resource and the name of its scope."""
    return [
        (batch["resource"], scope["scope"]["name"], span)
        for request in requests
        for batch in request["resourceSpans"]
        for scope in batch["scopeSpans"]
        for span in scope["spans"]
    ]


def request_of(resource: Any, scope: str, spans: list[Request]) -> Request:
    """Spans as one request."""
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": scope}, "spans": spans}]}]}


def put(path: Path, data: bytes) -> Path:
    """Write a file."""
    path.write_bytes(data)
    return path
