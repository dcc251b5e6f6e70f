from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_agentperf.baselines import portable, schema
from otel_agentperf.baselines.advised import UNITS, Advised, noted, total
from otel_agentperf.baselines.schema import RefusedError
from otel_agentperf.baselines.store import Store
from otel_agentperf.baselines.tally import KEPT_DAYS, Tally
from otel_agentperf.baselines.writing import KnownRunsError
from tests.baselines.made import MODEL_AT_PLAN, PLAN, TODAY, WRITE, made_up, once, tally_of

ROOT = Path(__file__).parents[2]
WRITER = ROOT / "tests/programs/store_writer.py"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "baseline.db"


@pytest.fixture
def said() -> list[str]:
    return []


def successes(store: Store) -> int:
    return sum(cell.successes for cell in store.cells(PLAN).values())


def test_what_is_added_is_added_to_what_is_there(path: Path) -> None:
    one, other, whole = made_up(1), made_up(2), Tally()
    for tally in (one, other):
        Store(path).add(tally.all(), TODAY)
        whole.merge_all(tally)
    store = Store(path)
    assert portable.written(store.all()) == portable.written(whole.all())
    assert store.newest_day == whole.newest_day
    assert store.models_of("research", "plan") == [MODEL_AT_PLAN.name]


def test_a_reader_sees_what_others_add(path: Path) -> None:
    reader = Store(path)
    assert reader.cells(PLAN) == {}
    for expected in (1, 2):
        Store(path).add(tally_of((PLAN, TODAY, once())).all(), TODAY)
        assert successes(reader) == expected


def test_days_that_are_too_old_are_dropped_and_so_are_names_that_have_no_other(path: Path) -> None:
    store = Store(path)
    store.add(tally_of((PLAN, TODAY, once()), (WRITE, TODAY + 10, once())).all(), TODAY)
    store.add([], TODAY + KEPT_DAYS, runs=[(1, TODAY)])
    assert store.cells(PLAN) == {}
    assert [subject for subject, _ in store.all()] == [WRITE]
    store.add(tally_of((PLAN, TODAY, once())).all(), TODAY + KEPT_DAYS)
    assert store.cells(PLAN) == {}


def test_names_beyond_the_limit_are_refused_and_those_known_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_agentperf.baselines.writing.MOST_SUBJECTS", 1)
    store = Store(path)
    store.add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    store.add(tally_of((PLAN, TODAY, once()), (WRITE, TODAY, once())).all(), TODAY)
    assert (successes(store), store.cells(WRITE), store.refused) == (2, {}, 1)


def test_a_run_is_taken_in_once(path: Path) -> None:
    store = Store(path)
    added = tally_of((PLAN, TODAY, once()))
    store.add(added.all(), TODAY, runs=[(7, TODAY)])
    assert store.knows(7)
    with pytest.raises(KnownRunsError):
        store.add(added.all(), TODAY, runs=[(8, TODAY), (7, TODAY)])
    assert not store.knows(8)
    assert successes(store) == 1


# -- what came of advice ---------------------------------------------------------------------


def came(day: int, right: float, *, ratios: float = 0.0) -> Advised:
    return noted(day, {"model/learned": {"right": right, "cost_ratios": ratios}})


def test_what_came_of_advice_is_added_to_what_is_there(path: Path) -> None:
    store = Store(path)
    assert store.advised == {}
    store.add([], TODAY, advised=came(TODAY, 2, ratios=-0.25))
    Store(path).add(tally_of((PLAN, TODAY, once())).all(), TODAY, advised=came(TODAY, 1, ratios=0.75))
    store.add([], TODAY + 1, advised=came(TODAY + 1, 4))
    assert store.advised[TODAY, "model/learned", "right"] == 3 * UNITS
    assert total(store.advised) == {"model/learned": {"right": 7.0, "cost_ratios": 0.5}}


def test_what_came_of_advice_long_ago_is_dropped(path: Path) -> None:
    store = Store(path)
    store.add([], TODAY, advised=came(TODAY, 2))
    store.add([], TODAY + KEPT_DAYS, advised=came(TODAY, 8) + came(TODAY + 1, 1))
    assert total(store.advised) == {"model/learned": {"right": 1.0}}


def test_what_came_of_advice_is_not_written_where_the_rest_is_not(path: Path) -> None:
    store = Store(path)
    store.add([], TODAY, runs=[(7, TODAY)])
    with pytest.raises(KnownRunsError):
        store.add([], TODAY, runs=[(7, TODAY)], advised=came(TODAY, 2))
    assert store.advised == {}


# -- versions ------------------------------------------------------------------------------


def test_a_store_of_version_1_is_brought_up_to_date_and_keeps_what_it_knows(path: Path) -> None:
    Store(path, steps=schema.STEPS[:1]).add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    assert not Store(path).knows(7)  # read as it is, before anyone has written
    store = Store(path)
    store.add(tally_of((PLAN, TODAY, once())).all(), TODAY, runs=[(7, TODAY)])
    assert (successes(store), store.knows(7)) == (2, True)


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_from_before_advice_was_kept_has_none_and_then_keeps_it(version: int, path: Path) -> None:
    Store(path, steps=schema.STEPS[:version]).add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    store = Store(path)
    assert store.advised == {}  # read as it is, before anyone has written
    store.add([], TODAY, advised=came(TODAY, 2))
    assert (successes(store), total(store.advised)["model/learned"]["right"]) == (1, 2.0)


def test_a_newer_store_is_refused_and_left_alone(path: Path) -> None:
    newer = (*schema.STEPS, ("CREATE TABLE later (a)",))
    writer = Store(path, steps=newer)
    writer.add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    store = Store(path)
    for ask in (lambda: store.cells(PLAN), lambda: store.add([], TODAY), store.check_writable):
        with pytest.raises(RefusedError, match="newer otel-agentperf"):
            ask()
    assert successes(writer) == 1


def test_a_store_that_nobody_holds_any_more_has_closed_its_file(path: Path) -> None:
    Store(path).check_writable()
    store = Store(path)
    assert len(store) == 0
    connection = store._reader  # pyright: ignore[reportPrivateUsage]
    assert connection is not None
    del store
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_file_that_another_process_is_just_making_is_not_taken_for_another_programs(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    made: list[str] = []

    def make(statement: str) -> None:
        if "sqlite_master" in statement and not made:
            made.append(statement)
            Store(path).check_writable()

    connection.set_trace_callback(make)
    assert schema.version_of(connection, str(path)) == 0
    assert made
    connection.set_trace_callback(None)
    assert schema.version_of(connection, str(path)) == len(schema.STEPS)
    connection.close()


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(RefusedError, match="another program"):
        Store(path).add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    assert path.read_bytes() == before


# -- damage --------------------------------------------------------------------------------


def _damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.write_bytes({"no database": b"x" * 5_000, "cut off": data[: len(data) // 2], "empty": b""}[how])


@pytest.mark.parametrize("how", ["no database", "cut off"])
def test_a_damaged_file_is_set_aside_with_a_word_and_a_new_one_is_begun(how: str, path: Path, said: list[str]) -> None:
    whole = made_up(1, 3_000)
    Store(path).add(whole.all(), TODAY)
    _checkpoint(path)
    _damage(path, how)
    damaged = path.read_bytes()
    store = Store(path, say=said.append)
    store.add(made_up(2).all(), TODAY)
    assert portable.written(store.all()) == portable.written(made_up(2).all())
    (aside,) = [
        each for each in path.parent.iterdir() if ".damaged-" in each.name and not each.name.endswith(("-wal", "-shm"))
    ]
    assert aside.read_bytes() == damaged
    (message,) = said
    assert aside.name in message


@pytest.mark.parametrize("name", ["export.json.gz", "traces.json", "traces.pb"])
def test_a_file_that_never_was_a_store_is_refused_and_left_alone(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    exported = portable.written(made_up(1).all())
    path.write_bytes(
        {"export.json.gz": exported, "traces.json": b'{"resourceSpans": []}' * 99}.get(name, b"\n\x05" * 99)
    )
    before = path.read_bytes()
    store = Store(path)
    for ask in (store.check_writable, lambda: store.add([], TODAY), lambda: store.cells(PLAN)):
        with pytest.raises(RefusedError, match="AGENTPERF_BASELINE_FROM"):
            ask()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [(name, before)]


def _checkpoint(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_an_empty_file_is_begun(path: Path, said: list[str]) -> None:
    path.parent.mkdir()
    path.touch()
    store = Store(path, say=said.append)
    assert store.cells(PLAN) == {}
    store.add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    assert (successes(store), said) == (1, [])


def test_a_day_that_cannot_be_read_counts_as_damage(path: Path, said: list[str]) -> None:
    Store(path).add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE days SET cell = x'ff'")
    connection.close()
    store = Store(path, say=said.append)
    assert store.cells(PLAN) == {}
    assert "damaged" in said[0]


def test_a_read_only_store_that_is_damaged_is_left_where_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x" * 5_000)
    with pytest.raises(sqlite3.DatabaseError):
        Store(path, read_only=True).cells(PLAN)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_processes_that_find_it_damaged_at_once_set_it_aside_once_and_lose_nothing(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x" * 50_000)
    writers = [_writer(path, seconds=0.5) for _ in range(6)]
    told = [_finished(writer) for writer in writers]
    assert successes(Store(path)) == sum(told)
    assert len([each for each in path.parent.iterdir() if each.name.split("-")[0].endswith(".damaged")]) == 1


# -- one file ------------------------------------------------------------------------------


def test_a_tidied_store_is_one_file(path: Path) -> None:
    store, other = Store(path), Store(path)
    for each in (store, other):
        each.add(tally_of((PLAN, TODAY, once())).all(), TODAY)
        assert successes(each)
    store.tidy()  # the other one has it open
    assert successes(other) == 2
    other.tidy()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert (successes(store), successes(other)) == (2, 2)


def test_there_is_nothing_to_tidy_where_there_is_no_store_or_a_newer_one(path: Path) -> None:
    Store(path).tidy()
    assert not path.parent.exists()
    newer = Store(path, steps=(*schema.STEPS, ("CREATE TABLE later (a)",)))
    newer.add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    assert successes(newer) == 1
    newer.add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    Store(path).tidy()
    assert successes(newer) == 2


# -- many processes ------------------------------------------------------------------------


def _writer(path: Path, seconds: float) -> subprocess.Popen[str]:
    """A process that adds one execution at a time, and says how many it has added."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(WRITER), str(path), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _finished(writer: subprocess.Popen[str]) -> int:
    out, _ = writer.communicate(timeout=60)
    assert writer.returncode == 0
    return int(out.split()[-1])


def test_sixteen_processes_write_one_store_and_lose_nothing_though_some_are_killed(path: Path) -> None:
    writers = [_writer(path, seconds=3) for _ in range(16)]
    killed, others = writers[:4], writers[4:]
    confirmed: list[int] = []
    for writer in killed:
        assert writer.stdout is not None
        counts = [int(next(_lines(writer))) for _ in range(3)]
        writer.send_signal(signal.SIGKILL)
        counts += [int(line) for line in _lines(writer) if line.endswith("\n")]
        assert writer.wait(60) == -signal.SIGKILL
        writer.stdout.close()
        confirmed.append(max(counts))
    added = sum(_finished(writer) for writer in others) + sum(confirmed)
    store = Store(path)
    found = successes(store)
    assert store.advised == {
        (TODAY, "model/learned", "right"): found * UNITS,
        (TODAY, "model/learned", "cost_ratios"): found * 100_000,
    }
    # What a killed one had added and could not say any more is at most one each.
    assert added <= found <= added + len(killed)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def _lines(writer: subprocess.Popen[str]) -> Iterator[str]:
    assert writer.stdout is not None
    while line := writer.stdout.readline():
        yield line


# -- where it cannot be written ------------------------------------------------------------


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_in_a_folder_that_cannot_be_written_it_is_read(path: Path) -> None:
    Store(path).add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    path.parent.chmod(0o500)
    try:
        assert successes(Store(path, read_only=True)) == 1
        with pytest.raises(sqlite3.Error):
            Store(path).add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    finally:
        path.parent.chmod(0o700)


def test_where_another_program_holds_it_nothing_is_written_in_part(path: Path) -> None:
    store = Store(path)
    store.add(tally_of((PLAN, TODAY, once())).all(), TODAY)
    store.busy_s = 0.05
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.add(tally_of((PLAN, TODAY, once()), (WRITE, TODAY, once())).all(), TODAY)
    holder.execute("ROLLBACK")
    holder.close()
    assert (successes(store), store.cells(WRITE)) == (1, {})
