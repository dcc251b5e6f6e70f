from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from otel_agentperf import config
from otel_agentperf.analysis.observations import day_of
from otel_agentperf.baselines import portable
from otel_agentperf.baselines.normals import Measure, Subject, SubjectKind
from otel_agentperf.baselines.opening import opened
from otel_agentperf.baselines.store import Store
from otel_agentperf.live.learning import Learner
from tests.baselines.made import PLAN, made_up
from tests.live.measured import idle
from tests.telemetry import Telemetry, observed

QUICK = Subject(SubjectKind.GRAPH, "quick")


def settings(*, baseline_store: object = "", baseline_from: object = "") -> config.Settings:
    stored, started = str(baseline_store), str(baseline_from)
    return config.Settings(fingerprint_key="test", metrics=False, baseline_store=stored, baseline_from=started)


def learner_of(telemetry: Telemetry) -> Learner:
    learner = telemetry.pipeline.learner
    assert learner is not None
    return learner


def runs_known(telemetry: Telemetry) -> int:
    learner = learner_of(telemetry)
    learner.settle()
    found = learner.learned.normal(QUICK, Measure.DURATION_S)
    return found.samples if found is not None else 0


def runs_kept(path: Path) -> int:
    return sum(cell.successes for cell in opened(str(path)).cells(QUICK).values())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "baseline.db"


def test_what_one_process_learned_the_next_one_knows(path: Path) -> None:
    for before in (0, 2):
        with observed(settings=settings(baseline_store=path)) as telemetry:
            assert runs_known(telemetry) == before
            for _ in range(2):
                idle("quick").invoke({"text": "x"})
            assert runs_known(telemetry) == before + 2
        assert runs_kept(path) == before + 2


def test_writing_neither_doubles_nor_loses_what_is_known(path: Path) -> None:
    with observed(settings=settings(baseline_store=path)) as telemetry:
        for known in range(1, 4):
            idle("quick").invoke({"text": "x"})
            assert runs_known(telemetry) == known
            assert learner_of(telemetry).flush()
            assert runs_known(telemetry) == runs_kept(path) == known


def test_what_other_processes_write_is_known_once_it_is_looked_at_again(path: Path) -> None:
    with (
        observed(settings=settings(baseline_store=path)) as telemetry,
    ):
        idle("quick").invoke({"text": "x"})
        learner_of(telemetry).flush()
        Store(path).add(opened(str(path)).all(), day_of(time.time_ns()))
        idle("quick").invoke({"text": "x"})
        assert runs_known(telemetry) == 3


def test_once_its_processes_have_ended_it_is_one_file_that_can_be_copied(path: Path) -> None:
    with observed(settings=settings(baseline_store=path)) as telemetry:
        for _ in range(2):
            idle("quick").invoke({"text": "x"})
            assert learner_of(telemetry).flush()
            assert runs_known(telemetry)  # it is open to be read
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    assert runs_kept(copy) == 2


def test_where_it_cannot_be_written_that_is_said_once_and_nothing_is_lost(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.write_text("a file where the folder should be")
    with observed(settings=settings(baseline_store=path)) as telemetry:
        learner = learner_of(telemetry)
        for known in range(1, 4):
            idle("quick").invoke({"text": "x"})
            assert not learner.flush()
            assert runs_known(telemetry) == known
        assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1
        path.parent.unlink()
        assert learner.flush()
        assert runs_kept(path) == 3


def test_where_another_program_holds_it_it_is_written_later(path: Path) -> None:
    with observed(settings=settings(baseline_store=path)) as telemetry:
        learner = learner_of(telemetry)
        idle("quick").invoke({"text": "x"})
        learner.flush()
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        idle("quick").invoke({"text": "x"})
        assert not learner.flush(0.05)
        assert runs_known(telemetry) == 2
        holder.execute("ROLLBACK")
        holder.close()
        assert learner.flush()
    assert runs_kept(path) == 2


def test_a_newer_store_is_left_alone_and_learning_goes_on(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Store(path).add([], 20_000)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with observed(settings=settings(baseline_store=path)) as telemetry:
        idle("quick").invoke({"text": "x"})
        assert not learner_of(telemetry).flush()
        assert runs_known(telemetry) == 1
    assert "newer otel-agentperf" in caplog.text


def test_the_thread_writes_without_being_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_agentperf.live.learning.FLUSH_S", 0.01)
    monkeypatch.setattr("otel_agentperf.live.learning._DIGEST_AFTER_S", 0.01)
    written = threading.Event()
    with observed(settings=settings(baseline_store=path)) as telemetry:
        learner = learner_of(telemetry)
        flush = learner.flush

        def flush_and_tell(*arguments: Any) -> bool:
            done = flush(*arguments)
            written.set()
            return done

        monkeypatch.setattr(learner, "flush", flush_and_tell)
        idle("quick").invoke({"text": "x"})
        assert written.wait(30)
        assert runs_kept(path) == 1


# -- a baseline to start from --------------------------------------------------------------


def _plan_known(telemetry: Telemetry) -> int:
    assert learner_of(telemetry)._keeper.base_settled.wait(30)  # pyright: ignore[reportPrivateUsage]
    normals = telemetry.pipeline.engine.normals
    found = normals.normal(PLAN, Measure.DURATION_S) if normals is not None else None
    return found.samples if found is not None else 0


@pytest.fixture
def recent() -> bytes:
    """A baseline of yesterday and the days before, as a file."""
    made = made_up(1, 200)
    newest = made.newest_day
    assert newest is not None
    shift = day_of(time.time_ns()) - 1 - newest
    return portable.written(
        (subject, {day + shift: cell for day, cell in days.items()}) for subject, days in made.all()
    )


@contextmanager
def served(data: bytes) -> Generator[str]:
    """The address on loopback of a file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/baseline.json.gz" else 404)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base has it
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/baseline.json.gz"
        finally:
            server.shutdown()
            thread.join()


def test_rules_are_told_of_a_baseline_that_a_process_starts_from(tmp_path: Path, recent: bytes) -> None:
    file, store = tmp_path / "central.json.gz", tmp_path / "central.db"
    file.write_bytes(recent)
    Store(store).add(opened(str(file)).all(), opened(str(file)).newest_day or 0)
    expected = sum(cell.sketches[Measure.DURATION_S].count for cell in opened(str(file)).cells(PLAN).values())
    with served(recent) as address:
        for source in (file, store, address):
            with observed(settings=settings(baseline_from=source)) as telemetry:
                assert _plan_known(telemetry) == expected
    assert file.read_bytes() == recent


def test_a_baseline_that_cannot_be_had_is_told_of_and_gone_without(
    tmp_path: Path, recent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cut.json.gz").write_bytes(recent[:-100])
    with served(recent) as address:
        for source in (tmp_path / "none.db", tmp_path / "cut.json.gz", f"{address}.not"):
            with observed(settings=settings(baseline_from=source)) as telemetry:
                assert _plan_known(telemetry) == 0
                idle("quick").invoke({"text": "x"})
                assert runs_known(telemetry) == 1
            assert str(source) in caplog.text
    assert all(record.levelno == logging.WARNING for record in caplog.records)


# -- forks ---------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_parent_and_child_each_write_what_they_learned(path: Path) -> None:
    with observed(settings=settings(baseline_store=path)) as telemetry:
        program = idle("quick")
        program.invoke({"text": "x"})
        learner_of(telemetry).flush()
        assert runs_known(telemetry) == 1
        program.invoke({"text": "the parent's to write"})
        learner_of(telemetry).settle()

        def in_child() -> int:
            program.invoke({"text": "x"})
            learner_of(telemetry).close()
            return runs_known(telemetry)

        assert _forked(in_child) == 2
        assert runs_known(telemetry) == 3
    assert runs_kept(path) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_waits_until_no_thread_uses_a_connection(path: Path) -> None:
    """SQLite has locks of its own: a child that is born while one is taken would wait for it for ever."""
    store = Store(path)
    is_at_work, may_end, is_over = threading.Event(), threading.Event(), threading.Event()

    def committed() -> None:
        is_at_work.set()
        may_end.wait(10)

    def write() -> None:
        store.add((), 20_000, runs=[(1, 20_000)], committed=committed)
        is_over.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert is_at_work.wait(10)
    threading.Timer(0.3, may_end.set).start()
    assert _forked(lambda: [is_over.is_set(), store.knows(1)]) == [True, True]
    writer.join()
    assert store.knows(1)


def _forked(work: Callable[[], Any]) -> Any:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"null"
        try:
            answer = json.dumps(work()).encode()
        finally:
            os.write(writing, answer)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = json.loads(pipe.read())
    os.waitpid(child, 0)
    return said
