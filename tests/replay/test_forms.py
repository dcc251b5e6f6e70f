from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from otel_agentperf.replay.sources import NoSourceError, files
from tests.replay.forms import FORMS, MICROSECOND_FORMS, Request, as_lines, as_message
from tests.replay.replaying import made_up, put, replayed, request_of, told


def rounded(report: Any) -> Any:
    """Without the fractions that microseconds cannot hold."""
    return json.loads(json.dumps(report), parse_float=lambda text: round(float(text), 4))


def put_elsewhere(name: str, data: bytes) -> None:
    """Write a file into fsspec's memory."""
    fsspec: Any = importlib.import_module("fsspec")
    with fsspec.open(name, "wb") as file:
        file.write(data)


@pytest.mark.parametrize("name", FORMS)
def test_the_same_runs_give_the_same_report_in_every_form(name: str, tmp_path: Path) -> None:
    requests = made_up()
    lines = told(replayed(put(tmp_path / "a.jsonl", as_lines(requests))))
    assert lines["figures"]["runs"] == 12
    assert told(replayed(put(tmp_path / name, FORMS[name](requests)))) == lines


@pytest.mark.parametrize("name", MICROSECOND_FORMS)
def test_jaegers_forms_differ_in_nothing_but_fractions_of_microseconds(name: str, tmp_path: Path) -> None:
    requests = made_up()
    lines = rounded(told(replayed(put(tmp_path / "a.jsonl", as_lines(requests)))))
    assert rounded(told(replayed(put(tmp_path / name, MICROSECOND_FORMS[name](requests))))) == lines


def test_spans_of_a_trace_come_together_from_many_files(tmp_path: Path) -> None:
    requests = made_up()
    whole = told(replayed(put(tmp_path / "all.jsonl", as_lines(requests))))
    parts = tmp_path / "parts"
    parts.mkdir()
    for place, name in enumerate(("a.jsonl", "b.pb", "c.jsonl.gz")):
        form = FORMS[{"a.jsonl": "lines.jsonl", "b.pb": "framed.pb", "c.jsonl.gz": "lines.jsonl.gz"}[name]]
        put(parts / name, form(requests[place::3]))
    assert told(replayed(parts)) == whole
    assert told(replayed(parts / "*")) == whole
    assert told(replayed(parts / "a.jsonl", parts / "b.pb", parts / "c.*", parts / "a.jsonl")) == whole


@pytest.mark.parametrize("name", ["lines.jsonl", "lines.jsonl.gz", "lines.jsonl.zst", "document.json", "framed.pb"])
def test_a_file_elsewhere_is_read_through_fsspec(name: str, tmp_path: Path) -> None:
    requests = made_up()
    whole = told(replayed(put(tmp_path / "all.jsonl", as_lines(requests))))
    put_elsewhere(f"memory://replay/{name}", FORMS[name](requests))
    assert told(replayed(f"memory://replay/{name}")) == whole


def test_a_glob_elsewhere_finds_files_in_order() -> None:
    for name in ("b", "a"):
        put_elsewhere(f"memory://glob/{name}.jsonl", as_lines(made_up(2)))
    names = [source.name for source in files(["memory://glob/*.jsonl"])]
    assert [name.rpartition("/")[2] for name in names] == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.jsonl", "missing.jsonl: there is no such file"),
        ("*.parquet", "*.parquet: nothing matches"),
        ("memory://nowhere/a.jsonl", "memory://nowhere/a.jsonl: there is no such file"),
    ],
)
def test_a_name_without_a_file_is_told(name: str, said: str) -> None:
    with pytest.raises(NoSourceError) as raised:
        files([name])
    assert str(raised.value) == said


def test_an_unknown_protocol_is_told() -> None:
    with pytest.raises(OSError, match="Protocol not known: nothing"):
        files(["nothing://a/b.jsonl"])


def test_metrics_logs_and_empty_lines_are_no_trouble(tmp_path: Path) -> None:
    data = as_lines(made_up(2)) + b'{"resourceMetrics":[{}]}\n{"resourceLogs":[]}\n\n{}\n{"resourceSpans":[]}\n'
    assert replayed(put(tmp_path / "a.jsonl", data)).sums.runs == 2


@pytest.mark.parametrize("odd", [{}, {"bytesValue": "AAAA"}])
@pytest.mark.parametrize("form", ["a.jsonl", "a.pb"])
def test_a_value_that_says_nothing_is_as_if_it_did_not_stand_there(form: str, odd: Request, tmp_path: Path) -> None:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    agent: Request = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "0123456789abcdef",
        "name": "invoke_agent planner",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001000000000",
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_agent"}},
            {"key": "gen_ai.agent.name", "value": {"stringValue": "planner"}},
        ],
    }
    nothing = {"key": "gen_ai.workflow.nodes", "value": odd}  # a graph has these, an agent has none
    written = as_lines if form == "a.jsonl" else as_message
    without, beside = (
        told(replayed(put(tmp_path / form, written([request_of(resource, "somebody", [each])]))))
        for each in (agent, {**agent, "attributes": [*agent["attributes"], nothing]})
    )
    assert beside == without
