"""What the numbers of a suggestion are about: the run, its session, or the service."""

from __future__ import annotations

import pytest

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.analysis.fold import Fold, digest
from otel_agentperf.live.emit import suggestion_attributes
from otel_agentperf.model import Extent, Operation, OperationKind
from otel_agentperf.reading.verdicts import suggestion
from otel_agentperf.rules import make_rules
from otel_agentperf.rules.base import Scope

S = 1_000_000_000
RULES = make_rules({}, ("LAT001", "LAT003", "ERR004"))
ROOT = Operation(OperationKind.WORKFLOW, "graph", "f" * 16, 0, 50 * S)


def operations() -> list[Operation]:
    """A slow agent, a slow tool within it, and a tool that fails."""
    agents = [
        Operation(OperationKind.AGENT, "crawler", f"a{place:015x}", place * 25 * S, (place + 1) * 25 * S, is_agent=True)
        for place in range(2)
    ]
    tools = [
        Operation(
            OperationKind.TOOL, "crawl", f"b{place:015x}", (place * 25 + 1) * S, (place * 25 + 20) * S, each.span_id
        )
        for place, each in enumerate(agents)
    ]
    failing = [
        Operation(
            OperationKind.TOOL,
            "save",
            f"c{place:015x}",
            (21 + place) * S,
            (22 + place) * S,
            agents[0].span_id,
            error_type="E",
        )
        for place in range(3)
    ]
    return [*tools, *failing, *agents]


def extents(session: str | None, *, alone: bool = False) -> dict[str, Extent]:
    engine = Engine(RULES)
    run = engine.begin("graph", session, 0, alone=alone)
    for each in operations():
        engine.observe(run, each)
    return {each.rule: each.extent for each in engine.finish(run, ROOT)[0].suggestions}


@pytest.mark.parametrize(
    ("session", "alone", "expected"),
    [
        ("s1", False, {"LAT001": Extent.SESSION, "LAT003": Extent.RUN, "ERR004": Extent.PROCESS}),
        (None, False, {"LAT001": Extent.RUN, "LAT003": Extent.RUN, "ERR004": Extent.PROCESS}),
        ("s1", True, {"LAT001": Extent.RUN, "LAT003": Extent.RUN, "ERR004": Extent.RUN}),
    ],
)
def test_a_suggestion_is_about_all_runs_that_its_rule_has_seen(
    session: str | None, alone: bool, expected: dict[str, Extent]
) -> None:
    assert extents(session, alone=alone) == expected


@pytest.mark.parametrize(
    ("scope", "rule", "expected"),
    [(Scope.SESSION, "LAT001", Extent.SESSION), (Scope.PROCESS, "ERR004", Extent.PROCESS)],
)
def test_runs_that_were_joined_are_a_session_or_a_service(scope: Scope, rule: str, expected: Extent) -> None:
    engine = Engine(RULES)
    run = engine.begin("graph", "s1", 0, alone=True)
    for each in operations():
        engine.observe(run, each)
    engine.finish(run, ROOT)
    fold = Fold(RULES, scope, "s1")
    fold.add(digest(engine, run))
    assert {each.rule: each.extent for each in fold.judge()} == {rule: expected}


def test_what_a_suggestion_is_about_is_on_its_event() -> None:
    engine = Engine(RULES)
    run = engine.begin("graph", "s1", 0)
    for each in operations():
        engine.observe(run, each)
    for said in engine.finish(run, ROOT)[0].suggestions:
        read = suggestion(suggestion_attributes(said))
        assert read is not None
        assert read.extent is said.extent
