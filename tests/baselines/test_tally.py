"""Subjects with their days."""

from __future__ import annotations

from otel_agentperf.baselines.normals import SubjectKind
from otel_agentperf.baselines.tally import Tally, Values, named


def test_the_models_of_a_node_are_those_that_it_was_seen_to_use_and_that_are_still_kept() -> None:
    tally = Tally()
    once = Values(True, 1)
    for day, model, node in ((1, "old", "plan"), (2, "new", "plan"), (2, "other", "write")):
        tally.add(day, [(named(SubjectKind.NODE_MODEL, model, "flow", node), once)])
    assert sorted(tally.models_of("flow", "plan")) == ["new", "old"]
    tally.drop_before(2)
    assert tally.models_of("flow", "plan") == ["new"]
    assert tally.models_of("flow", "write") == ["other"]
    assert tally.models_of("elsewhere", "plan") == []
