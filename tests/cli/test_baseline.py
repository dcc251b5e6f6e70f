from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from otel_agentperf.baselines import portable
from otel_agentperf.baselines.advised import noted
from otel_agentperf.baselines.normals import SubjectKind
from otel_agentperf.baselines.store import Store
from otel_agentperf.baselines.tally import Tally, Values, named
from otel_agentperf.cli.group import group
from tests.baselines.made import PLAN, TODAY, WRITE, made_up, once, tally_of
from tests.benchmarks.traces import START_NS
from tests.cli.test_analyze import RUNNER
from tests.replay.forms import as_lines
from tests.replay.replaying import made_up as made_up_traces
from tests.replay.replaying import put


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """Eight runs."""
    return put(tmp_path / "traces.jsonl", as_lines(made_up_traces(8)))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    Store(path).add(made_up(1, 200).all(), TODAY)
    return path


def said(*arguments: object, code: int = 0, columns: int = 140) -> str:
    result = RUNNER.invoke(group, [*map(str, arguments)], env={"COLUMNS": str(columns)})
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output + result.stderr


def learned(*arguments: object, code: int = 0) -> str:
    return said("learn", *arguments, "--workers", 1, code=code)


def test_traces_are_learned_once_however_often_they_are_named(traces: Path, tmp_path: Path) -> None:
    store = tmp_path / "new" / "store.db"
    assert learned(traces, "--store", store).startswith("learned from 8 runs\n")
    before = portable.written(Store(store).all())
    assert learned(traces, traces, "--store", store).startswith("learned from 0 runs; 8 runs had been learned before\n")
    assert portable.written(Store(store).all()) == before


def test_a_window_that_overlaps_the_last_one_adds_what_is_new(traces: Path, tmp_path: Path) -> None:
    more = put(tmp_path / "more.jsonl", traces.read_bytes() + as_lines(made_up_traces(4, seed=2)))
    store = tmp_path / "store.db"
    learned(traces, "--store", store)
    assert learned(more, "--store", store).startswith("learned from 4 runs; 8 runs had been learned before\n")


def test_it_is_the_same_whoever_learns_it_in_one_process_or_several(traces: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    learned(traces, "--store", one)
    said("learn", traces, "--store", other, "--workers", 2)
    assert portable.written(Store(one).all()) == portable.written(Store(other).all())


def test_a_file_without_spans_makes_nothing_known(tmp_path: Path) -> None:
    empty = put(tmp_path / "empty.jsonl", b"")
    assert "no span" in learned(empty, "--store", tmp_path / "store.db", code=2)


def _aged(days: int, runs: int, seed: int) -> bytes:
    """Traces that ended about so many days before those that `traces` has."""
    moved = re.sub(
        rb'("(?:start|end)TimeUnixNano": ?"?)(\d+)',
        lambda found: found[1] + str(int(found[2]) - days * 86_400_000_000_000).encode(),
        as_lines(made_up_traces(runs, seed=seed)),
    )
    assert str(START_NS)[:6].encode() not in moved
    return moved


def test_runs_that_are_too_old_are_left_out_and_said_to_be(traces: Path, tmp_path: Path) -> None:
    old = put(tmp_path / "old.jsonl", _aged(2_000, 3, seed=5))
    store = tmp_path / "store.db"
    assert "what is in it (3 runs) is more than 90 days old" in learned(old, "--store", store, code=2)
    assert len(Store(store)) == 0
    assert learned(old, traces, "--store", store).startswith(
        "learned from 8 runs; 3 runs more than 90 days old left out\n"
    )
    again = learned(old, traces, "--store", store)
    assert again.startswith(
        "learned from 0 runs; 8 runs had been learned before; 3 runs more than 90 days old left out\n"
    )


def test_a_store_that_is_another_programs_is_refused_before_anything_is_read(traces: Path, tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "theirs.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    assert "another program" in learned(traces, "--store", path, code=2)


def test_show_tells_what_is_normal(store: Path) -> None:
    shown = said("baseline", "show", store)
    assert "node plan in research" in " ".join(shown.split())
    assert "3 subjects, the last day 2024-10-04" in shown
    document = json.loads(said("baseline", "show", store, "--format", "json", "--kind", "node", "--name", "plan"))
    (subject,) = document["subjects"]
    assert (subject["kind"], subject["name"], subject["graph"]) == ("node", "plan", "research")
    assert subject["measures"]["duration_s"]["median"] < subject["measures"]["duration_s"]["p95"]


LONG = "summarise_all_findings_of_it"


@pytest.fixture
def streamed(tmp_path: Path) -> Path:
    """A store of long names and of a model whose first chunk was timed."""
    path = tmp_path / "streamed.db"
    tally = tally_of((named(SubjectKind.NODE, LONG, "research"), TODAY, once()))
    model = named(SubjectKind.MODEL, "gemini-2.5-flash-lite")
    tally.add(TODAY, [(model, once()._replace(first_chunk_ns=300_000_000))] * 5)
    Store(path).add(tally.all(), TODAY)
    return path


@pytest.mark.parametrize(
    ("columns", "left_out"), [(60, "in, out, first, good, cost"), (80, "in, out, first"), (140, "")]
)
def test_show_breaks_no_name_and_says_which_columns_had_no_room(columns: int, left_out: str, streamed: Path) -> None:
    shown = said("baseline", "show", streamed, columns=columns)
    assert max(map(len, shown.splitlines())) <= columns
    for name in (LONG, "gemini-2.5-flash-lite"):
        assert name in shown
    (heads, *_) = shown.splitlines()
    for head in filter(None, left_out.split(", ")):
        assert head not in heads.split()
    assert ("no room here for: " + left_out + ";" in shown) == bool(left_out)


def test_show_tells_the_time_to_the_first_chunk_where_it_is_known(store: Path, streamed: Path) -> None:
    (line,) = [each for each in said("baseline", "show", streamed).splitlines() if "flash-lite" in each]
    assert re.search(r" (29\d|30\d)\.\d ms ", line)
    assert "first" not in said("baseline", "show", store)


def test_show_tells_what_came_of_advice(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    counts = {"right": 30, "wrong": 2, "ignored": 5, "cost_claims": 4, "cost_ratios": 3.0}
    Store(path).add([], TODAY, advised=noted(TODAY, {"model/learned": counts, "timeout_s/default": {"right": 40}}))
    lines = [line.split() for line in said("baseline", "show", path, columns=80).splitlines()]
    assert ["model:", "learned", "30", "2", "5", "-", "75%", "(4)"] in lines
    assert ["timeout_s:", "default", "40", "0", "0", "-", "-"] in lines
    assert "right" not in said("baseline", "show", path, "--kind", "node")
    learned, default = json.loads(said("baseline", "show", path, "--format", "json"))["advice"]
    assert learned.items() >= {"kind": "model", "source": "learned", **counts, "cost_realised": 0.75}.items()
    assert (default["right"], default["time_realised"]) == (40, None)


def test_what_came_of_advice_is_exported_and_merged(tmp_path: Path) -> None:
    one, file, both = tmp_path / "one.db", tmp_path / "one.json.gz", tmp_path / "both.db"
    Store(one).add([], TODAY, advised=noted(TODAY, {"model/learned": {"right": 2}}))
    said("baseline", "export", one, "--output", file)
    said("baseline", "merge", one, file, "--output", both)
    (advice,) = json.loads(said("baseline", "show", both, "--format", "json"))["advice"]
    assert advice["right"] == 4


def test_diff_tells_what_changed_and_marks_what_rests_on_little(tmp_path: Path) -> None:
    paths: list[Path] = []
    for name, duration_s in (("before", 1.0), ("after", 1.5)):
        path = tmp_path / f"{name}.json.gz"
        path.write_bytes(portable.written(tally_of(*[(PLAN, TODAY, once(duration_s))] * 10).all()))
        paths.append(path)
    document = json.loads(said("baseline", "diff", *paths, "--format", "json"))
    (change,) = document["changes"]
    assert (change["measure"], change["before"]["samples"], change["after"]["samples"]) == ("duration_s", 10, 10)
    assert change["after"]["mean"] == pytest.approx(1.5)
    shown = said("baseline", "diff", *paths)
    assert "10 > 10 *" in shown
    assert "1 change of more than 10%" in shown
    assert "0 changes of more than 60%" in said("baseline", "diff", *paths, "--least", 0.6)


def test_an_export_merges_and_a_merge_is_the_same_in_any_order(store: Path, tmp_path: Path) -> None:
    other, one_file = tmp_path / "other.db", tmp_path / "one.json.gz"
    Store(other).add(made_up(2).all(), TODAY)
    said("baseline", "export", store, "--output", one_file)
    merged = [tmp_path / f"{number}.json.gz" for number in range(2)]
    said("baseline", "merge", one_file, other, "--output", merged[0])
    said("baseline", "merge", other, store, "--output", merged[1])
    assert merged[0].read_bytes() == merged[1].read_bytes()
    again = tmp_path / "again.db"
    said("baseline", "merge", merged[0], "--output", again)
    assert portable.written(Store(again).all()) == merged[0].read_bytes()
    assert "is there already" in said("baseline", "merge", merged[0], "--output", again, code=1)


@pytest.mark.parametrize("command", [("baseline", "show"), ("baseline", "export", "--output", "x")])
def test_what_is_no_baseline_is_named(command: tuple[str, ...], traces: Path) -> None:
    assert "traces.jsonl cannot be read as a baseline" in said(*command, traces, code=1)


def test_analyze_judges_by_a_baseline_and_refuses_what_is_none(traces: Path, store: Path) -> None:
    arguments: tuple[Any, ...] = ("analyze", traces, "--workers", 1, "--baseline")
    assert "8 runs" in said(*arguments, store)
    assert "cannot be read as a baseline" in said(*arguments, traces, code=2)


def test_show_tells_what_rises_and_falls_from_day_to_day(tmp_path: Path) -> None:
    path, tally = tmp_path / "rising.db", Tally()
    for day in range(20):
        for _ in range(5):
            rising = Values(succeeded=True, duration_ns=10**9 + 10**8 * day, cost_pico=10**9)
            tally.add(TODAY - 20 + day, [(PLAN, rising), (WRITE, Values(succeeded=True, duration_ns=10**9))])
    Store(path).add(tally.all(), TODAY)
    shown = " ".join(said("baseline", "show", path).split())
    assert "node plan in research is declining: +97 % time over 20 days" in shown
    assert shown.count(" days") == 1
    document = json.loads(said("baseline", "show", path, "--format", "json"))
    trends = {each["name"]: each["trends"] for each in document["subjects"]}
    assert trends["write"] == {}
    assert trends["plan"]["duration_s"]["direction"] == "declining"


@pytest.mark.parametrize("address", ["http://127.0.0.1:abc/x", "http://127.0.0.1:1/x"])
def test_an_address_that_gives_nothing_is_named(address: str) -> None:
    assert f"the baseline cannot be fetched: {address}: " in said("baseline", "show", address, code=1)


def test_no_client_for_http_is_loaded_to_open_a_file(tmp_path: Path) -> None:
    path = put(tmp_path / "baseline.json.gz", portable.written(tally_of((PLAN, TODAY, once())).all()))
    program = (
        "import sys; from otel_agentperf.replay import local; from otel_agentperf.baselines.opening import opened;"
        f"print(len(opened({str(path)!r})), 'urllib.request' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "1 False\n"


def test_a_day_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    whole = gzip.decompress(portable.written(tally_of((PLAN, TODAY, once())).all()))
    path.write_bytes(whole.replace(f'"day":{TODAY}'.encode(), b'"day":1000000000000'))
    assert "day 1000000000000 is none" in said("baseline", "show", path, code=1)
