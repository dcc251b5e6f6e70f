from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from otel_agentperf import config, guard, semconv
from otel_agentperf.exporter import AgentPerfSpanExporter
from otel_agentperf.live import in_process
from otel_agentperf.live.processor import AgentPerfSpanProcessor
from tests.exporter.consoles import PRINTS, Console, loop
from tests.reading.spans import Program, at, remote_parent


@pytest.fixture
def console() -> Iterator[Console]:
    console = Console()
    yield console
    console.provider.shutdown()


def test_a_run_that_came_in_one_batch_is_printed_with_its_tree_and_price(console: Console) -> None:
    root = console.program.graph("g", 0, **{semconv.CONVERSATION_ID: "s1"})
    node = console.program.node("writer", 10, root)
    console.program.model("gemini-2.5-flash", 20, 50, node)
    node.end(at(60))
    root.end(at(100))
    text = console.flush()
    assert "session s1" in text
    assert "100 ms · $0.0006 · 1,000 tokens in, 100 out · 1 model call" in text
    assert "  └ model gemini-2.5-flash" in text


def test_children_that_came_in_earlier_batches_are_in_the_tree(console: Console) -> None:
    root = console.program.graph("g", 0)
    loop(console.program, root)
    assert console.flush() == ""
    root.end(at(200))
    assert "tool click x 4" in console.flush()


def test_where_our_processor_did_not_run_the_rules_run_here(console: Console) -> None:
    root = console.program.graph("g", 0)
    loop(console.program, root)
    root.end(at(200))
    text = console.flush()
    assert text.count("REP001 repeated_action") == 1
    assert "3 had the same arguments and the same result as before" in " ".join(text.split())


def test_a_suggestion_below_the_threshold_is_printed_all_the_same() -> None:
    console = Console(config.Settings(optimization_threshold=0.9))
    root = console.program.graph("g", 0)
    loop(console.program, root)
    root.end(at(200))
    assert "REP001" in console.shutdown()


@pytest.fixture
def judged() -> Iterator[Console]:
    """A console beside our processor."""
    before = in_process.current()
    console = Console()
    console.provider.add_span_processor(AgentPerfSpanProcessor(config.Settings(metrics=False), console.provider))
    yield console
    console.provider.shutdown()
    in_process.use(before)


def test_where_our_processor_ran_its_word_stands_and_nothing_is_said_twice(judged: Console) -> None:
    root = judged.program.start(
        "invoke_agent bob", {semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: "bob"}, 0
    )
    for call in range(4):
        judged.program.tool("click", 20 + call, 21 + call, root, **PRINTS)
    judged.program.model("gemini-2.5-flash", 30, 40, root)
    root.set_attribute("mine", 1)
    root.end(at(200))
    text = judged.flush()
    assert text.count("REP001 repeated_action") == 1
    assert "1 model call" in text
    assert "$0.0006" in text


def test_what_stands_on_the_root_wins_over_what_the_spans_add_up_to(console: Console) -> None:
    root = console.program.graph("g", 0)
    console.program.model("gemini-2.5-flash", 20, 50, root)
    root.set_attributes(
        {
            semconv.RUN_EFFICIENCY_SCORE: 42,
            semconv.RUN_RATING: "B",
            semconv.RUN_COST: 0.0777,
            semconv.RUN_INPUT_TOKENS: 5000,
            semconv.RUN_OUTPUT_TOKENS: 500,
            semconv.RUN_INFERENCE_CALLS: 5,
            semconv.RUN_SUGGESTIONS: 2,
            semconv.RUN_CRITICAL_PATH: ["a", "b"],
        }
    )
    root.end(at(100))
    text = console.flush()
    assert "$0.0777 · 5,000 tokens in, 500 out · 5 model calls" in text
    assert "efficiency 42/100 · cost rating B" in text
    assert "critical path a → b" in text
    assert "4 of 5 model calls have no span here" in text
    assert "2 suggestions are not on these spans" in text


def test_a_judged_run_is_printed_while_the_span_around_it_goes_on(console: Console) -> None:
    caller = console.program.start("my job", {}, 0)
    root = console.program.graph("g", 1, caller)
    root.set_attribute(semconv.RUN_EFFICIENCY_SCORE, 100)
    root.end(at(5))
    assert "── g ─" in console.flush()
    caller.end(at(10))
    assert console.shutdown() == ""


def test_two_runs_in_one_trace_are_two_reports(console: Console) -> None:
    caller = console.program.start("POST /", {}, 0)
    console.program.graph("first", 1, caller).end(at(2))
    console.program.graph("second", 3, caller).end(at(4))
    caller.end(at(5))
    text = console.flush()
    assert text.index("── first ─") < text.index("── second ─")


def test_model_requests_outside_any_graph_are_reported_under_their_topmost_span(console: Console) -> None:
    caller = console.program.start("nightly job", {}, 0)
    console.program.model("gemini-2.5-flash", 1, 2, caller)
    console.program.model("gemini-2.5-flash", 3, 4, caller)
    caller.end(at(5))
    text = console.flush()
    assert "── nightly job ─" in text
    assert "2 model calls" in text


def test_a_parent_in_another_process_does_not_keep_a_run_waiting(console: Console) -> None:
    console.program.graph("g", 0, remote_parent()).end(at(5))
    assert "── g ─" in console.flush()


def test_traces_without_agent_work_print_nothing(console: Console) -> None:
    root = console.program.start("GET /", {"http.request.method": "GET"}, 0)
    console.program.start("SELECT", {"db.system": "postgresql"}, 1, root).end(at(2))
    root.end(at(3))
    console.program.start("lost", {}, 1, remote_parent(7)).end(at(2))
    assert console.flush() == ""
    assert console.shutdown() == ""


def test_what_never_got_its_root_is_printed_at_shutdown_and_says_so(console: Console) -> None:
    root = console.program.graph("g", 0)
    loop(console.program, root)
    assert console.flush() == ""
    text = console.shutdown()
    assert "root not seen" in text
    assert "tool click x 4" in text


def test_force_flush_prints_what_is_left_once(console: Console) -> None:
    root = console.program.graph("g", 0)
    loop(console.program, root)
    console.provider.force_flush()
    assert console.exporter.force_flush()
    assert console.flush().count("root not seen") == 1
    assert console.shutdown() == ""


def test_spans_that_end_after_their_root_are_counted_in_one_line(console: Console) -> None:
    root = console.program.graph("g", 0)
    node = console.program.node("late", 1, root)
    root.end(at(5))
    assert "── g ─" in console.flush()
    console.program.model("m", 6, 7, node)
    node.end(at(8))
    assert console.shutdown() == "otel-agentperf: 2 spans ended after the report on their run and are not in it\n"


def test_spans_beyond_the_limit_are_dropped_and_that_is_said_once() -> None:
    console = Console(config.Settings(console_max_spans=5))
    for trace in range(4):
        node = console.program.start(f"open {trace}", {}, 0)
        for child in range(3):
            console.program.tool("t", child, child + 1, node)
        console.provider.force_flush()
    text = console.flush()
    assert text.count("more than 5 spans waited for their roots") == 1
    console.provider.shutdown()


def test_an_unknown_price_is_a_question_mark_and_is_explained(console: Console) -> None:
    root = console.program.graph("g", 0)
    console.program.model("nobody-knows-it", 1, 2, root)
    root.end(at(3))
    text = console.flush()
    assert "3 ms · ? · 1 call without a price · 1,000 tokens in" in text
    assert "The price of 1 billed call is unknown" in text


def test_spans_marked_as_not_counted_are_in_no_sum(console: Console) -> None:
    root = console.program.graph("g", 0)
    peer = console.program.start(
        "generate_content m",
        {
            semconv.OPERATION_NAME: "generate_content",
            semconv.USAGE_INPUT_TOKENS: 4000,
            semconv.COUNTED: False,
        },
        1,
        root,
    )
    console.program.model("gemini-2.5-flash", 1, 2, peer)
    peer.end(at(3))
    root.end(at(4))
    assert "1,000 tokens in, 100 out · 1 model call\n" in console.flush()


def test_hostile_names_stay_within_their_line(console: Console) -> None:
    root = console.program.graph("[red]\x1b[2J\ngraph[/]", 0)
    root.end(at(4))
    text = console.flush()
    assert "\x1b" not in text
    assert "[red]?[2J graph[/]" in text


def test_the_sdk_finds_it_by_name_and_makes_it_without_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    (entry,) = entry_points(group="opentelemetry_traces_exporter", name="agentperf")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(entry.load()()))
    Program(provider).graph("g", 0).end(at(1))
    provider.shutdown()
    assert "── g ─" in capsys.readouterr().out


def test_a_wrong_setting_is_logged_once_and_the_defaults_are_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AGENTPERF_EMIT", "shout")
    provider = TracerProvider(shutdown_on_exit=False)
    with caplog.at_level(logging.ERROR):
        provider.add_span_processor(SimpleSpanProcessor(AgentPerfSpanExporter()))
    Program(provider).graph("g", 0).end(at(1))
    provider.shutdown()
    (message,) = [record.getMessage() for record in caplog.records]
    assert "AGENTPERF_EMIT = 'shout' is not allowed; allowed: span_event | log_event | both" in message
    assert "── g ─" in capsys.readouterr().out


def test_a_wrong_rule_option_or_price_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    AgentPerfSpanExporter(config.Settings(rules={"LAT001": {"threshold": 3}}))
    assert "[rules.LAT001] threshold = 3 is not allowed" in caplog.text


NEEDS_RICH = ("advice", "layout", "overview", "phrases", "terminal")


def test_without_rich_it_logs_the_install_line_once_and_drops(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in NEEDS_RICH:
        monkeypatch.delitem(sys.modules, f"otel_agentperf.report.{name}", raising=False)
        monkeypatch.delattr(f"otel_agentperf.report.{name}", raising=False)
    for name in ("rich", "rich.cells", "rich.console", "rich.text"):
        monkeypatch.setitem(sys.modules, name, None)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(AgentPerfSpanExporter()))
    Program(provider).graph("g", 0).end(at(1))
    provider.shutdown()
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == (
        'otel-agentperf: a report as terminal needs rich.cells: pip install "otel-agentperf[cli]"; no report is made'
    )
    assert capsys.readouterr().out == ""


def test_switched_off_it_prints_nothing() -> None:
    console = Console(config.Settings(enabled=False))
    console.program.graph("g", 0).end(at(1))
    assert console.shutdown() == ""


def test_after_shutdown_it_takes_nothing(console: Console) -> None:
    console.exporter.shutdown()
    assert console.exporter.export([]) is SpanExportResult.FAILURE


class Broken(ReadableSpan):
    """A span that another library has broken."""

    @property
    def events(self) -> Any:
        raise RuntimeError("canary")


def test_an_error_inside_is_reported_as_failure_and_never_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    console = Console()
    root = console.program.graph("g", 0)
    broken = Broken("x", context=root.get_span_context())
    assert console.exporter.export([broken]) is SpanExportResult.FAILURE
    assert guard.error_counts() == {"exporter.export": 1}
    root.end(at(1))
    assert "── g ─" in console.flush()
    console.provider.shutdown()


def test_tool_calls_without_fingerprints_are_said_to_be_beyond_comparison(console: Console) -> None:
    root = console.program.graph("g", 0)
    console.program.tool("click", 1, 2, root)
    root.end(at(3))
    assert "Tool calls carry no fingerprints" in console.flush()


FORKS = """
import os
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otel_agentperf.exporter import AgentPerfSpanExporter
from tests.reading.spans import Program, at

exporter = AgentPerfSpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
program = Program(provider)
root = program.graph("parents", 0)
program.node("held", 1, root).end(at(2))
with exporter._lock:
    child = os.fork()
if child == 0:
    program.graph("childs", 0).end(at(1))
    exporter.shutdown()
    os._exit(0)
os.waitpid(child, 0)
root.end(at(3))
exporter.shutdown()
"""


def test_a_child_process_prints_its_own_runs_and_not_what_the_parent_holds() -> None:
    # Newer Pythons warn of any fork beside a thread.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("──")] == ["childs", "parents"]
    assert done.stdout.count("└ held") == 1
