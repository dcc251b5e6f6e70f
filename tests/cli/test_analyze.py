from __future__ import annotations

import inspect
import json
import os
import pty
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from otel_agentperf.cli.group import group
from otel_agentperf.report.render import Format
from tests.replay.forms import Request, as_lines
from tests.replay.replaying import made_up, put, request_of

# Before 8.2 click mixed the streams unless told not to; from then on it knows no such word.
APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
RUNNER = CliRunner(**APART)
SETTINGS = """
[settings]
optimization_threshold = 0.1

[rules.COST001]
budget_usd = 0.005
"""


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """Eight runs in two sessions."""
    return put(tmp_path / "traces.jsonl", as_lines(made_up(8)))


def analyzed(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return RUNNER.invoke(group, ["analyze", *map(str, arguments), "--workers", "1"], env=env)


def as_json(*arguments: object, env: dict[str, str] | None = None) -> Any:
    result = analyzed(*arguments, "--format", "json", env=env)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_file_gives_a_report_and_zero(traces: Path) -> None:
    report = as_json(traces)
    assert (report["kind"], report["figures"]["runs"], report["session_count"]) == ("runs", 8, 2)
    assert report["title"] == str(traces)
    assert len(report["runs"]) == 8


def test_several_sources_are_one_report(traces: Path) -> None:
    other = put(traces.parent / "other.jsonl", as_lines(made_up(4, seed=2)))
    report = as_json(traces, other)
    assert report["figures"]["runs"] == 12
    assert report["title"] == f"{traces} and 1 more"


@pytest.mark.parametrize("form", [form.value for form in Format])
@pytest.mark.parametrize(
    ("by", "named"),
    [("run", "research"), ("session", "thread-0000001"), ("agent", "search"), ("model", "gemini-2.5-pro")],
)
def test_every_form_is_written_by_everything_there_is_to_list_by(form: str, by: str, named: str, traces: Path) -> None:
    result = analyzed(traces, "--format", form, "--by", by, "--top", 3)
    assert result.exit_code == 0
    assert named in result.stdout


def test_top_says_how_many_runs_and_sessions_are_listed(traces: Path) -> None:
    report = as_json(traces, "--top", 1)
    assert [len(report[name]) for name in ("dearest", "slowest", "sessions")] == [1, 1, 1]
    assert report["session_count"] == 2
    assert report["figures"]["runs"] == 8


def test_output_goes_to_a_file(traces: Path) -> None:
    path = traces.parent / "report.html"
    result = analyzed(traces, "--format", "html", "--output", path)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == f"written to {path}\n"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_place_that_cannot_be_written_to_ends_with_two(traces: Path) -> None:
    result = analyzed(traces, "--output", traces.parent / "missing" / "report.txt")
    assert result.exit_code == 2
    assert "No such file or directory" in result.stderr


# -- sessions ------------------------------------------------------------------------------


def test_one_session_is_reported_on_alone(traces: Path) -> None:
    report = as_json(traces, "--session", "thread-0000001")
    assert (report["kind"], report["id"], report["figures"]["runs"]) == ("session", "thread-0000001", 4)


def test_an_unknown_session_ends_with_two_and_says_how_many_there_are_and_the_nearest(traces: Path) -> None:
    result = analyzed(traces, "--session", "thread-000001")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: there is no session 'thread-000001' here, but 2 sessions; the nearest: thread-0000001, thread-0000000\n"
    )


def test_where_no_run_has_a_session_that_is_said(traces: Path) -> None:
    bare = json.loads(traces.read_text().replace("gen_ai.conversation.id", "thread").splitlines()[0])
    result = analyzed(put(traces.parent / "bare.jsonl", as_lines([bare])), "--session", "x")
    assert result.exit_code == 2
    assert "no run here has a conversation id" in result.stderr


# -- exit codes ----------------------------------------------------------------------------


def test_a_budget_that_is_overrun_ends_with_one_and_says_by_how_much(traces: Path) -> None:
    cost_usd = as_json(traces)["figures"]["costs"]["total_usd"]
    assert analyzed(traces, "--budget", cost_usd + 0.0001).exit_code == 0
    result = analyzed(traces, "--budget", cost_usd - 0.0001)
    assert result.exit_code == 1
    assert f"${cost_usd:,.4f} is more than the budget of ${cost_usd - 0.0001:,.4f}" in result.stderr


def test_a_budget_of_a_session_looks_at_that_session_alone(traces: Path) -> None:
    whole = as_json(traces)["figures"]["costs"]["total_usd"]
    part = as_json(traces, "--session", "thread-0000001")["figures"]["costs"]["total_usd"]
    assert part < whole
    assert analyzed(traces, "--session", "thread-0000001", "--budget", (part + whole) / 2).exit_code == 0
    assert analyzed(traces, "--budget", (part + whole) / 2).exit_code == 1


def test_a_rule_to_fail_on_ends_with_one_where_it_finds_something_that_matters(traces: Path) -> None:
    settings = put(traces.parent / "settings.toml", SETTINGS.encode())
    strict = {"AGENTPERF_CONFIG": str(settings)}
    assert analyzed(traces, "--fail-on", "COST001").exit_code == 0
    result = analyzed(traces, "--fail-on", "err001,cost001", env=strict)
    assert result.exit_code == 1
    assert result.stderr == "COST001 found 2 things to change\n"
    assert analyzed(traces, "--fail-on", "REP001", env=strict).exit_code == 0
    lenient = {**strict, "AGENTPERF_OPTIMIZATION_THRESHOLD": "1"}
    assert analyzed(traces, "--fail-on", "COST001", env=lenient).exit_code == 0


def test_rules_are_selected_as_everywhere(traces: Path) -> None:
    settings = put(traces.parent / "settings.toml", SETTINGS.encode())
    found = as_json(traces, env={"AGENTPERF_CONFIG": str(settings)})["figures"]["suggestions"]
    assert "COST001" in {finding["rule"] for finding in found}
    none = as_json(traces, env={"AGENTPERF_CONFIG": str(settings), "AGENTPERF_RULES_SELECT": "failures"})
    assert none["figures"]["suggestions"] == []


def test_a_price_of_ones_own_is_used_where_a_span_has_none(tmp_path: Path) -> None:
    span: Request = {
        "traceId": "1" * 32,
        "spanId": "1" * 16,
        "name": "chat mine",
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000001000000000",
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.provider.name", "value": {"stringValue": "gcp.gemini"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "mine-1"}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000000"}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "0"}},
        ],
    }
    path = put(tmp_path / "a.jsonl", as_lines([request_of({"attributes": []}, "x", [span])]))
    prices = put(tmp_path / "prices.toml", b'[prices.models."mine-1"]\ninput_mtok = 3.0\noutput_mtok = 4.0\n')
    unpriced = as_json(path)["figures"]
    over = analyzed(path, "--budget", "1")
    assert over.exit_code == 1
    assert over.stderr.startswith("the price of 1 of 1 billed calls is unknown: nobody can say")
    assert (unpriced["costs"]["total_usd"], unpriced["calls"]["unpriced"]) == (None, 1)
    assert as_json(path, env={"AGENTPERF_CONFIG": str(prices)})["figures"]["costs"]["total_usd"] == 3.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing argument 'SOURCE...'"),
        (("missing.jsonl",), "missing.jsonl: there is no such file"),
        (("TRACES", "--fail-on", "NOPE001"), "there is no rule NOPE001; there are COST001, "),
        (("TRACES", "--since", "1h"), "--since goes with the address of a backend"),
        (("TRACES", "--header", "a=b"), "--header goes with the address of a backend"),
        (("TRACES", "--scheduler", "tcp://x:1"), "--scheduler goes with --engine dask"),
        (("TRACES", "--engine", "dask"), "--engine dask needs --scheduler ADDRESS"),
        (("TRACES", "--engine", "dask", "--scheduler", "x:1"), "--workers goes with --engine local"),
        (("http://localhost:1", "--since", "yesterday"), "'yesterday' is neither a time ago"),
        (("http://localhost:1", "--since", "1h", "--until", "2h"), "--since must lie before --until"),
        (("http://localhost:1", "--query", "{}", "--service", "a"), "--service is not added to --query"),
        (("http://localhost:1", "--header", "secret"), "a header is written NAME=VALUE"),
        (("http://localhost:1",), "Connection refused"),
        (("EMPTY",), "there is no span in "),
    ],
    ids=str,
)
def test_wrong_use_ends_with_two_and_a_sentence(arguments: tuple[str, ...], said: str, traces: Path) -> None:
    empty = put(traces.parent / "empty.jsonl", b"nothing\n{]\n")
    named = {"TRACES": str(traces), "EMPTY": str(empty)}
    result = analyzed(*(named.get(argument, argument) for argument in arguments))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_wrong_setting_ends_with_two_and_names_it(traces: Path) -> None:
    result = analyzed(traces, env={"AGENTPERF_MAX_SESSIONS": "many"})
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: AGENTPERF_MAX_SESSIONS = 'many' is not allowed")


def test_bad_lines_are_told_on_stderr_and_the_report_counts_them(traces: Path) -> None:
    put(traces, traces.read_bytes() + b"nothing\n{]\n")
    result = analyzed(traces, "--format", "json")
    assert result.exit_code == 0
    number = traces.read_bytes().count(b"\n") - 1
    assert f"{traces}:{number}: left out: it looks like text that is no JSON" in result.stderr
    assert json.loads(result.stdout)["notes"] == ["2 parts of the input could not be read and are not in here."]


# -- as a program --------------------------------------------------------------------------


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from otel_agentperf.cli import main; main()", "analyze", *map(str, arguments)]


@contextmanager
def terminal() -> Generator[tuple[int, int]]:
    reader, writer = pty.openpty()
    try:
        yield reader, writer
    finally:
        os.close(reader)


def test_a_pipe_gets_no_progress_bar_and_a_terminal_does(traces: Path) -> None:
    quiet = subprocess.run(program(traces), capture_output=True, text=True, check=True)
    assert quiet.stderr == ""
    with terminal() as (reader, writer):
        done = subprocess.Popen(
            program(traces), stdout=subprocess.DEVNULL, stderr=writer, env={**os.environ, "TERM": "xterm"}
        )
        os.close(writer)
        shown = b""
        while True:
            try:
                part = os.read(reader, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        assert done.wait(60) == 0
    assert b"reading" in shown


def test_two_workers_say_what_one_says(traces: Path) -> None:
    one = subprocess.run(program(traces, "--workers", 1), capture_output=True, text=True, check=True)
    two = subprocess.run(program(traces, "--workers", 2), capture_output=True, text=True, check=True)
    assert one.stdout == two.stdout
    assert "research" in one.stdout
