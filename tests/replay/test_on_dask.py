"""A real cluster of two worker processes on loopback; one of them is killed in the middle of the work.

`pytest -m cluster` runs it, and one of the environments does.
"""

from __future__ import annotations

import gzip
import importlib
import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from otel_agentperf.replay.engines import Watcher
from otel_agentperf.replay.mapping import Mapped
from otel_agentperf.replay.on_dask import DaskEngine
from otel_agentperf.replay.outcome import Outcome, nothing
from tests.replay.forms import as_lines
from tests.replay.replaying import made_up, put, replayed, told

# Dask's own threads and sockets may outlive what they served by a moment.
pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cluster() -> Generator[Any]:
    """A scheduler and two workers, each a process; what dies is started again."""
    distributed: Any = importlib.import_module("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as started:
        yield started


def engine(cluster: Any) -> DaskEngine:
    found = DaskEngine(cluster.scheduler_address)
    found.piece_bytes = 20_000
    return found


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_cluster_says_what_this_machine_says(name: str, cluster: Any, tmp_path: Path) -> None:
    data = as_lines(made_up(60))
    path = put(tmp_path / name, gzip.compress(data) if name.endswith("gz") else data)
    assert told(replayed(path, engine=engine(cluster))) == told(replayed(path))


def test_a_session_is_found_on_a_cluster(cluster: Any, tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", as_lines(made_up(12)))
    report = replayed(path, engine=engine(cluster), session_id="thread-0000001").session()
    assert report.figures == replayed(path, session_id="thread-0000001").session().figures


def test_a_worker_that_is_killed_in_the_middle_changes_nothing(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "a.jsonl", as_lines(made_up(200)))
    whole = told(replayed(path))
    killed: list[int] = []
    take = Outcome.mapped

    def kill(self: Watcher, mapped: Mapped) -> None:
        if not killed:
            worker = next(iter(cluster.workers.values()))
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)
        take(self, mapped)  # pyright: ignore[reportArgumentType] - it is an outcome

    monkeypatch.setattr(Outcome, "mapped", kill)
    assert told(replayed(path, engine=engine(cluster))) == whole
    assert killed


def test_bad_lines_are_told_from_a_cluster_too(cluster: Any, tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", as_lines(made_up(4)) + b"nothing\n")
    outcome = replayed(path, engine=engine(cluster), on_troubles=nothing)
    assert outcome.sums.troubles.count == 1
    assert outcome.sums.runs == 4


def test_a_scheduler_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from otel_agentperf.replay import on_dask

    monkeypatch.setattr(on_dask, "_CONNECT_S", 0.5)
    path = put(tmp_path / "a.jsonl", as_lines(made_up(1)))
    with pytest.raises(OSError, match="no Dask scheduler answers at tcp"):
        replayed(path, engine=DaskEngine("tcp://127.0.0.1:9"))
