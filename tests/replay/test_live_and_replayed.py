"""The same program, watched live and read back from a file that the real encoder wrote."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

from otel_agentperf import config
from otel_agentperf.analysis.runs import Run
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import Operation, Suggestion
from otel_agentperf.plugins import chosen_rules
from otel_agentperf.replay.local import LocalEngine
from otel_agentperf.report.session import SessionReport, session_report
from otel_agentperf.rules.base import Scope
from tests.analysis.programs import Writer, play, sampled
from tests.replay.replaying import put, replayed
from tests.telemetry import observed

SETTINGS = config.load(
    {},
    fingerprint_key="test",
    metrics=False,
    rules={"COST001": {"budget_usd": 0.02}, "LAT001": {"threshold_s": 0.5}, "CACHE001": {"min_saving_usd": 0}},
)
OF_A_RUN = frozenset(rule.code for rule in chosen_rules(SETTINGS) if rule.scope is Scope.RUN)


def watched(seed: int) -> tuple[dict[str, RunSummary], dict[str, SessionReport], list[ReadableSpan]]:
    """What the live engine says of each run and session of a program, and its spans."""
    runs: dict[str, RunSummary] = {}
    with observed(settings=SETTINGS, instrument=False) as telemetry:
        engine = telemetry.pipeline.engine
        finish = engine.finish

        def finish_and_keep(run: Run, root: Operation) -> tuple[RunSummary, list[Suggestion]]:
            summary, news = finish(run, root)
            if summary.is_run:
                runs[root.span_id] = summary
            return summary, news

        engine.finish = finish_and_keep
        program = Writer(seed).program()
        with sampled(program, Random(seed)):  # noqa: S311 - made-up samples
            play(telemetry, program)
        telemetry.assert_sound()
        sessions = {name: session_report(found) for name in ("s1", "s2") if (found := engine.session(name)) is not None}
        return runs, sessions, telemetry.spans


def essence(summary: RunSummary) -> dict[str, Any]:
    """What a run amounts to, as far as it depends on nothing but the run."""
    return {
        "name": summary.name,
        "session": summary.session_id,
        "totals": summary.totals,
        "path": summary.critical_path,
        "rating": summary.rating,
        "success": summary.success,
        "used": summary.used,
        "said": {item.key: item for item in summary.suggestions if item.rule in OF_A_RUN},
    }


def encoded(spans: list[ReadableSpan], form: str) -> bytes:
    messages = [encode_spans(spans[place : place + 7]) for place in range(0, len(spans), 7)]
    if form == "pb":
        return b"".join(m.ByteSize().to_bytes(4, "big") + m.SerializeToString() for m in messages)
    return b"".join(json_format.MessageToJson(message, indent=None).encode() + b"\n" for message in messages)


@pytest.mark.parametrize("form", ["jsonl", "pb"])
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
@example(seed=1)
def test_a_program_says_the_same_live_and_from_a_file_in_any_order(form: str, tmp_path: Path, seed: int) -> None:
    runs, sessions, spans = watched(seed)
    Random(seed).shuffle(spans)  # noqa: S311 - an order
    path = put(tmp_path / f"a.{form}", encoded(spans, form))
    outcome = replayed(path, settings=SETTINGS, top=1_000)
    found = {standout.run.root.span_id: standout.summary for _, standout in outcome.sums.standouts.dearest}
    assert {key: essence(summary) for key, summary in found.items()} == {
        key: essence(summary) for key, summary in runs.items()
    }
    for session_id, report in sessions.items():
        again = replayed(path, settings=SETTINGS, session_id=session_id).session()
        assert as_told(again) == as_told(report)


def as_told(report: SessionReport) -> Any:
    """A session as it is written, but for what its single runs knew of each other while they ran."""
    told = json.loads(json.dumps(report.to_dict()), parse_float=lambda text: round(float(text), 9))
    for run in told["runs"]:
        del run["suggestions"], run["efficiency_score"]
    return told


def test_worker_processes_find_the_same_runs(tmp_path: Path) -> None:
    runs, _, spans = watched(1)
    path = put(tmp_path / "a.jsonl", encoded(spans, "jsonl"))
    outcome = replayed(path, settings=SETTINGS, top=1_000, engine=LocalEngine(2))
    found = {standout.run.root.span_id: standout.summary for _, standout in outcome.sums.standouts.dearest}
    assert {key: essence(summary) for key, summary in found.items()} == {
        key: essence(summary) for key, summary in runs.items()
    }
