from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from otel_agentperf import config
from otel_agentperf.baselines.learned import LearnedNormals
from otel_agentperf.baselines.normals import Measure, Normals, Subject, SubjectKind
from otel_agentperf.live import keeping, learning
from otel_agentperf.live.learning import Learner
from otel_agentperf.live.pipeline import Pipeline
from tests.instrumentation.google_genai import ways
from tests.live.measured import graph, idle, server
from tests.telemetry import Telemetry, observed

NS_PER_DAY = 86_400_000_000_000
GRAPH = Subject(SubjectKind.GRAPH, "researcher")
WRITE = Subject(SubjectKind.NODE, "write", "researcher")
MODEL = Subject(SubjectKind.MODEL, ways.MODEL)


def learner_of(telemetry: Telemetry) -> Learner:
    learner = telemetry.pipeline.learner
    assert learner is not None
    return learner


def learned(telemetry: Telemetry) -> LearnedNormals:
    learner = learner_of(telemetry)
    learner.settle()
    return learner.learned


def test_graphs_nodes_and_models_are_learned_from_a_run() -> None:
    with server() as gemini, observed() as telemetry:
        graph(gemini, "plan", "write").invoke({"text": "x"})
        known = learned(telemetry)
    cost = known.normal(GRAPH, Measure.COST_USD)
    assert cost is not None
    assert (cost.samples, cost.mean) == (1, pytest.approx(0.06))
    tokens = known.normal(WRITE, Measure.INPUT_TOKENS)
    assert tokens is not None
    assert tokens.quantile(0.5) == pytest.approx(100_000, rel=0.01)
    asked = known.normal(MODEL, Measure.DURATION_S)
    assert asked is not None
    assert asked.samples == 2
    assert known.models_of("researcher", "write") == (ways.MODEL,)
    at_node = Subject(SubjectKind.NODE_MODEL, ways.MODEL, "researcher", "write")
    outcomes = known.outcomes(at_node)
    assert outcomes is not None
    assert (outcomes.successes, outcomes.failures, outcomes.samples) == (1.0, 0.0, 1)


def test_what_fails_teaches_no_duration_but_that_it_fails() -> None:
    with server() as gemini, observed() as telemetry:
        program = graph(gemini, "plan", "write", failing="write")
        with pytest.raises(LookupError):
            program.invoke({"text": "x"})
        known = learned(telemetry)
    assert known.normal(WRITE, Measure.DURATION_S) is None
    assert known.normal(GRAPH, Measure.DURATION_S) is None
    for subject in (WRITE, GRAPH):
        outcomes = known.outcomes(subject)
        assert outcomes is not None
        assert (outcomes.successes, outcomes.failures) == (0.0, 1.0)
    spent = known.normal(GRAPH, Measure.COST_USD)
    assert spent is not None
    assert spent.mean == pytest.approx(0.03)


def test_what_a_cache_gave_teaches_nothing() -> None:
    with observed() as telemetry:
        program = idle("kept", cached=True)
        for _ in range(3):
            program.invoke({"text": "x"})
        known = learned(telemetry)
    node = known.normal(Subject(SubjectKind.NODE, "kept", "kept"), Measure.DURATION_S)
    assert node is not None
    assert node.samples == 1


def test_a_streamed_answer_teaches_the_time_to_its_first_chunk() -> None:
    with server() as gemini, observed() as telemetry:
        client = ways.client_of(gemini)
        list(client.models.generate_content_stream(model=ways.MODEL, contents="x"))
        known = learned(telemetry)
    first = known.normal(MODEL, Measure.FIRST_CHUNK_S)
    assert first is not None
    assert first.samples == 1


def test_rules_are_told_of_the_days_before_and_advice_of_this_day_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as gemini, observed() as telemetry:
        learner = learner_of(telemetry)
        engine = telemetry.pipeline.engine
        graph(gemini, "plan").invoke({"text": "x"})
        learner.settle()
        assert engine.normals is None  # there is nothing to ask on the first day, and nobody does
        assert learner.history.normal(GRAPH, Measure.COST_USD) is None
        assert learner.learned.normal(GRAPH, Measure.COST_USD) is not None
        monkeypatch.setattr(learner, "_clock", lambda: time.time_ns() + NS_PER_DAY)
        learner.settle()
        normals: Normals | None = engine.normals
        assert normals is not None
        yesterday = normals.normal(GRAPH, Measure.COST_USD)
    assert yesterday is not None
    assert yesterday.samples == 1
    assert yesterday.weight == pytest.approx(0.5 ** (1 / 14))


def test_nothing_is_learned_where_that_is_switched_off() -> None:
    pipeline = Pipeline(config.Settings(metrics=False, learn=False))
    assert pipeline.learner is None
    assert pipeline.learned is None
    assert pipeline.engine.normals is None


def test_runs_that_cannot_wait_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MOST_WAITING", 2)
    with observed() as telemetry:
        learner = learner_of(telemetry)
        monkeypatch.setattr(learner, "_start", lambda: None)
        program = idle("quick")
        for _ in range(5):
            program.invoke({"text": "x"})
        assert telemetry.pipeline.engine.evictions[learning.UNLEARNED_RUNS] == 3


def test_names_beyond_the_limit_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_SUBJECTS", 2)
    with observed() as telemetry:
        evictions = telemetry.pipeline.engine.evictions
        for name in ("one", "two", "three"):
            idle(name).invoke({"text": "x"})
        known = learned(telemetry)
    assert known.outcomes(Subject(SubjectKind.GRAPH, "one")) is not None
    assert known.outcomes(Subject(SubjectKind.GRAPH, "three")) is None
    assert evictions[learning.UNLEARNED_SUBJECTS] == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_learns_from_its_own_runs_and_keeps_what_was_known() -> None:
    with observed() as telemetry:
        program = idle("shared")
        program.invoke({"text": "x"})
        learner_of(telemetry).settle()
        program.invoke({"text": "waits for the parent"})
        assert _in_child(lambda: _samples(telemetry, program)) == 2
        assert _samples(telemetry, None) == 2


def _samples(telemetry: Telemetry, program: Any) -> int:
    if program is not None:
        program.invoke({"text": "x"})
    known = learned(telemetry).normal(Subject(SubjectKind.GRAPH, "shared"), Measure.DURATION_S)
    return known.samples if known is not None else 0


def _in_child(work: Callable[[], Any]) -> Any:
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
