from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec
import pytest

from otel_agentperf.model import Operation, OperationKind, Resources
from otel_agentperf.report.document import document, to_json
from otel_agentperf.report.html.page import to_html
from otel_agentperf.report.markdown import to_markdown
from otel_agentperf.report.terminal import render
from tests.report.runs import Story, gathered, recording
from tests.report.test_document import CHECK

FORMS: dict[str, Any] = {"terminal": partial(render, width=120), "markdown": to_markdown, "html": to_html}


def used(percent: float, samples: int, **more: Any) -> Resources:
    """Samples of a CPU at this percentage, a tenth of it this process's."""
    facts: dict[str, Any] = {
        "samples": samples,
        "cpu_samples": samples - 1,
        "cpu_percent": percent,
        "cpu_percent_max": percent + 5,
        "own_cpu_percent": percent / 10,
        "cpu_spikes": samples - 1 if percent > 80 else 0,
        "memory_percent": 40.0,
        "memory_percent_max": 88.0,
        "memory_spikes": 1,
        "memory_bytes": 300 * 2**20,
        "memory_bytes_delta": 12 * 2**20,
        "open_files": 17,
        "open_files_limit": 1_024,
        "threads": 9,
        **more,
    }
    return Resources(**facts)


def story(**more: Any) -> Story:
    story = Story("graph", end=30, trace_id=more.pop("trace_id", "1" * 32))
    story.operations[0] = _with(story.operations[0], used(85.0, 31))
    story.node("busy", 0, 20, resources=used(90.0, 21, blocked_ns=1_500_000_000, blocked_max_ns=10**9))
    story.node("idle", 20, 30, resources=used(30.0, 11))
    story.node("quick", 30, 30)
    return story


def _with(operation: Operation, resources: Resources) -> Operation:
    return msgspec.structs.replace(operation, resources=resources)


def test_a_run_says_what_it_and_its_agents_used() -> None:
    figures = document(story().report())["figures"]
    whole = figures["resources"]
    assert (whole["samples"], whole["cpu_percent"], whole["cpu_percent_max"], whole["cpu_spikes"]) == (
        31,
        85.0,
        90.0,
        30,
    )
    assert (whole["memory_percent"], whole["memory_percent_max"], whole["memory_spikes"]) == (40.0, 88.0, 1)
    assert [each["name"] for each in figures["resources_by_agent"]] == ["busy", "idle"]
    assert figures["resources_by_agent"][0]["blocked_s"] == 1.5
    CHECK.validate(json.loads(to_json(story().report())))


def test_many_runs_average_by_samples_and_take_the_greatest() -> None:
    calm = Story("graph", end=10, trace_id="2" * 32)
    calm.operations[0] = _with(calm.operations[0], used(10.0, 11))
    calm.node("busy", 0, 10, resources=used(30.0, 11))
    whole = document(gathered(story(), calm))["figures"]
    assert whole["resources"]["cpu_percent"] == round((85 * 30 + 10 * 10) / 40, 2)
    assert whole["resources"]["cpu_percent_max"] == 90.0
    assert whole["resources"]["memory_spikes"] == 2
    by_agent = {each["name"]: each for each in whole["resources_by_agent"]}
    assert by_agent["busy"]["cpu_percent"] == round((90 * 20 + 30 * 10) / 30, 2)
    assert by_agent["busy"]["memory_growth_bytes"] == 24 * 2**20


@pytest.mark.parametrize("form", FORMS)
def test_every_form_shows_it(form: str) -> None:
    shown = FORMS[form](story().report())
    assert "CPU 85 % on average, 90 % at most, 8 % by this process" in shown
    assert "30 samples above 80 % CPU" in shown
    assert "1 sample above 85 % memory" in shown
    assert "1.50 s" in shown
    assert "blocked loop" in shown


@pytest.mark.parametrize("form", FORMS)
def test_where_nothing_was_sampled_no_form_says_a_word(form: str) -> None:
    report = recording().report()
    assert report.figures.resources is None
    shown = FORMS[form](report)
    assert "blocked loop" not in shown
    assert "CPU" not in shown


def test_an_agent_name_that_is_markup_stays_a_name() -> None:
    nasty = Story("graph", end=30)
    nasty.node("<script>a|b`c", 0, 20, resources=used(90.0, 21))
    assert "<script>a" not in to_html(nasty.report())
    assert "`<script>a¦b'c`" in to_markdown(nasty.report())


def test_a_tool_says_nothing_of_the_agents() -> None:
    alone = Story("graph", end=30)
    alone.add(OperationKind.TOOL, "t", alone.root, 0, 20, resources=used(90.0, 21))
    assert document(alone.report())["figures"]["resources_by_agent"] == []
