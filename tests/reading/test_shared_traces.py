"""Traces and exchanges recorded by others, from agents that know nothing of us."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, cast

import pytest

from otel_agentperf import semconv
from otel_agentperf.instrumentation.google_genai.messages import Exchange as Content
from otel_agentperf.instrumentation.google_genai.prints import request_prints
from otel_agentperf.model import Inference, Operation, OperationKind
from otel_agentperf.reading import TracedRun, read, runs_of
from tests.handmade import EITHER
from tests.reading.recorded import PRINTS
from tests.replay_server import DATA, Exchange, exchanges

TRACES = DATA / "traces"


def _value(given: dict[str, Any]) -> object:
    ((kind, value),) = given.items()
    return int(value) if kind == "intValue" else value


def _attributes(given: list[dict[str, Any]]) -> dict[str, object]:
    return {one["key"]: _value(one["value"]) for one in given}


def _operation(span: dict[str, Any]) -> Operation:
    status = span.get("status", {})
    return read(
        span["name"],
        _attributes(span.get("attributes", [])),
        scope="",
        span_id=span["spanId"],
        parent_id=span.get("parentSpanId") or None,
        trace_id=span["traceId"],
        start_ns=int(span["startTimeUnixNano"]),
        end_ns=int(span["endTimeUnixNano"]),
        is_error=status.get("code") == 2,
        events=[(event["name"], _attributes(event.get("attributes", []))) for event in span.get("events", [])],
        status_message=status.get("message", ""),
        fingerprinter=PRINTS,
    )


def _runs(name: str) -> Iterator[TracedRun]:
    path = TRACES / name
    if not path.exists():
        pytest.fail(f"the recorded traces are absent: {path} (AGENTPERF_TEST_DATA may name the folder above)")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            resources = cast("list[dict[str, Any]]", json.loads(line)["resourceSpans"])
            spans = [span for one in resources for scope in one["scopeSpans"] for span in scope["spans"]]
            yield from runs_of([_operation(span) for span in spans])


@pytest.mark.recorded
def test_conversations_with_content_are_read_with_their_fingerprints() -> None:
    found = list(_runs("tau_airline.otlp.jsonl.gz"))
    assert len(found) == 84
    kinds: Counter[OperationKind] = Counter()
    for run in found:
        assert (run.root.kind, run.root.name) == (OperationKind.AGENT, "airline")
        for one in run.operations:
            kinds[one.kind] += 1
            assert one.agent == "airline"
            if one.kind is OperationKind.TOOL:
                assert one.tool is not None
                assert one.tool.arguments_hash is not None
                assert (one.tool.error_hash is None) is (one.error_type is None)
                assert (one.tool.result_hash is None) is (one.error_type is not None)
            elif one.kind is OperationKind.INFERENCE:
                assert one.inference is not None
                assert one.inference.response_hash is not None
                assert one.inference.response_kind in ("text", "function_call", "mixed")
    assert kinds == {OperationKind.AGENT: 84, OperationKind.INFERENCE: 862, OperationKind.TOOL: 363}


@pytest.mark.recorded
def test_operations_of_names_of_their_own_are_told_by_their_tokens_and_tools() -> None:
    found = list(_runs("mas_sim.otlp.jsonl.gz"))
    assert len(found) == 13
    for run in found:
        assert run.root.kind is OperationKind.OTHER  # it says nothing of itself
        assert [one.kind for one in run.operations].count(OperationKind.INFERENCE) == 4
        assert [one.kind for one in run.operations].count(OperationKind.TOOL) == 1
        agents = {one.agent for one in run.operations if one.kind is OperationKind.INFERENCE}
        assert agents == {"Coordinator", "Researcher", "Executor", "Evaluator"}
        for one in run.operations:
            assert (one.usage is not None) is (one.kind is OperationKind.INFERENCE)


def _conversations(given: tuple[Exchange, ...]) -> dict[str, list[Exchange]]:
    found: dict[str, list[Exchange]] = defaultdict(list)
    for one in given:
        if one.method.endswith("enerateContent") and one.status == 200 and "cachedContent" not in one.request:
            found[one.file].append(one)
    return found


def _from_content(one: Exchange) -> Inference:
    content = Content(one.request)
    if not isinstance(one.response, str):  # a stream
        content.answered(json.dumps(one.response).encode())
    said = {key: json.dumps(value) for key, value in content.content().items()}
    tools = {"gen_ai.tool.definitions": json.dumps(one.request["tools"])} if one.request.get("tools") else {}
    operation = read(
        "generate_content",
        {semconv.OPERATION_NAME: "generate_content", semconv.REQUEST_MODEL: one.model, **said, **tools},
        scope="",
        span_id="1",
        parent_id=None,
        trace_id="1",
        start_ns=0,
        end_ns=1,
        is_error=False,
        fingerprinter=PRINTS,
    )
    assert operation.inference is not None
    return operation.inference


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


@EITHER
def test_requests_share_the_same_beginnings_by_content_as_by_the_bodies_that_we_see_ourselves(
    given: Callable[[], tuple[Exchange, ...]],
) -> None:
    compared = 0
    for conversation in _conversations(given()).values():
        seen = [request_prints(PRINTS, one.request).prefix_hashes for one in conversation]
        read_back = [_from_content(one).prefix_hashes for one in conversation]
        assert [len(chain) for chain in seen] == [len(chain) for chain in read_back]
        for (one, two), (other_one, other_two) in zip(pairwise(seen), pairwise(read_back), strict=True):
            assert _common(one, two) == _common(other_one, other_two)
            compared += 1
    assert compared > (100 if given is exchanges else 1)
