"""Applications -> agent -> two gateways -> Jaeger and Tempo."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from otel_agentperf import semconv
from tests.stack.asking import Found, jaeger_traces, tempo_trace, traceql
from tests.stack.servers import Backend, Collector, Servers, until
from tests.stack.traffic import Run, made_up_run, send, start_demo

pytestmark = pytest.mark.stack

DEFAULT_DECISION_WAIT_S = 30
"""Of tail sampling, where nothing else is said."""
DEMO, MADE_UP, OPEN = "agentperf-demo", "made-up", "open"


@dataclass(frozen=True)
class Fleet:
    jaeger: Backend
    tempo: Backend
    gateways: tuple[Collector, Collector]
    agent: Collector
    runs: dict[str, list[Run]]
    """What was sent, by why it is kept or not."""
    open_run: Run
    """One that went to a gateway that waits for three seconds only."""

    def ids(self, *kinds: str) -> set[str]:
        return {run.trace_id for kind in kinds for run in self.runs[kind]}

    def decided(self, sampled: str) -> float:
        name = "otelcol_processor_tail_sampling_global_count_traces_sampled"
        return sum(gateway.own_metric(name, sampled=sampled) for gateway in self.gateways)


@pytest.fixture(scope="module")
def fleet(shared_servers: Servers) -> Fleet:
    jaeger, tempo = shared_servers.start_jaeger(), shared_servers.start_tempo()
    backends = {"JAEGER_ENDPOINT": jaeger.otlp_grpc, "TEMPO_ENDPOINT": tempo.otlp_grpc}
    soon = {**backends, "DECISION_WAIT_AFTER_ROOT": "2s"}
    first, second = (shared_servers.start_collector("gateway.yaml", soon) for _ in range(2))
    impatient = shared_servers.start_collector("gateway.yaml", {**soon, "DECISION_WAIT": "3s"})
    agent = shared_servers.start_collector(
        "agent.yaml",
        {
            "GATEWAYS_BY": "load_balancing/static",
            "GATEWAYS": f"[{first.otlp_grpc}, {second.otlp_grpc}]",
            "SPAN_METRICS_INTERVAL": "1s",
        },
    )
    numbers = iter(range(10_000))

    def make(count: int, **facts: float | bool) -> list[Run]:
        return [made_up_run(next(numbers), **facts) for _ in range(count)]  # pyright: ignore[reportArgumentType]

    runs = {
        "long and dear": make(10, cost_usd=0.2),
        "long": make(20),
        "ordinary": make(300),
        "dear": make(20, cost_usd=0.11),
        "with a suggestion": make(20, suggestion=True),
        "failed": make(20, error=True),
    }
    (open_run,) = make(1)
    with start_demo(agent.otlp_http) as demo:
        began = time.monotonic()
        long_runs = [*runs["long and dear"], *runs["long"]]
        send(agent.otlp_http, [span for run in long_runs for span in run.inner])
        send(impatient.otlp_http, open_run.inner, OPEN)
        for kind in ("ordinary", "dear", "with a suggestion", "failed"):
            for run in runs[kind]:
                send(agent.otlp_http, run.spans)
        assert demo.wait(120) == 0
    until(
        lambda: time.monotonic() - began > DEFAULT_DECISION_WAIT_S + 1,
        what="the long runs are long",
        servers=shared_servers.started,
    )
    send(agent.otlp_http, [run.root for run in long_runs])
    send(impatient.otlp_http, [open_run.root], OPEN)
    made = Fleet(jaeger, tempo, (first, second), agent, runs, open_run)
    total = sum(map(len, runs.values())) + 2
    until(
        lambda: made.decided("true") + made.decided("false"),
        what=f"the gateways decide upon all {total} traces",
        servers=shared_servers.started,
        good=lambda number: number == total,
    )
    until(
        lambda: sum(len(jaeger_traces(jaeger, service)) for service in (DEMO, MADE_UP)),
        what="Jaeger has all traces that are kept",
        servers=shared_servers.started,
        good=lambda number: number == made.decided("true"),
    )
    return made


def settled(fleet: Fleet, ask: Callable[[], set[str]], wanted: set[str], what: str) -> None:
    until(ask, what=what, servers=[fleet.tempo], good=lambda found: found == wanted)


def whole(spans: list[Found]) -> None:
    """No span is there twice, and every parent is there."""
    ids = Counter(span.span_id for span in spans)
    assert set(ids.values()) == {1}
    assert not [span.name for span in spans if span.parent_id and span.parent_id not in ids]


def when_whole_in_tempo(fleet: Fleet, trace_id: str, number: int) -> list[Found]:
    return until(
        lambda: tempo_trace(fleet.tempo, trace_id),
        what="Tempo has the trace whole",
        servers=[fleet.tempo],
        good=lambda found: len(found) == number,
    )


def test_the_demo_arrives_in_both_backends_with_every_span_cost_and_suggestion(fleet: Fleet) -> None:
    in_jaeger = jaeger_traces(fleet.jaeger, DEMO)
    accepted = fleet.agent.own_metric("otelcol_receiver_accepted_spans") - 3 * sum(map(len, fleet.runs.values()))

    assert len(in_jaeger) == 2
    assert sum(map(len, in_jaeger.values())) == accepted
    for trace_id, spans in in_jaeger.items():
        in_tempo = when_whole_in_tempo(fleet, trace_id, len(spans))
        for found in (spans, in_tempo):
            whole(found)
            (root,) = [span for span in found if not span.parent_id]
            calls = [span for span in found if semconv.USAGE_COST in span.attributes]
            suggestions = [name for span in found for name in span.events if name == semconv.EVENT_SUGGESTION]
            assert root.name == "invoke_workflow recording"
            assert root.attributes[semconv.RUN_COST] == pytest.approx(
                sum(span.attributes[semconv.USAGE_COST] for span in calls)
            )
            assert len([span for span in calls if span.name.startswith("generate_content")]) == int(
                root.attributes[semconv.RUN_INFERENCE_CALLS]
            )
            assert len(suggestions) >= int(root.attributes[semconv.RUN_SUGGESTIONS]) >= 1


def test_traceql_finds_the_runs_with_suggestions_and_no_others(fleet: Fleet) -> None:
    settled(
        fleet,
        lambda: traceql(fleet.tempo, '{ event:name = "agentperf.suggestion" }'),
        fleet.ids("with a suggestion") | set(jaeger_traces(fleet.jaeger, DEMO)),
        "TraceQL finds the suggestions",
    )


def test_traceql_finds_the_dear_runs_and_no_others(fleet: Fleet) -> None:
    settled(
        fleet,
        lambda: traceql(fleet.tempo, "{ span.agentperf.run.cost_usd > 0.05 }"),
        fleet.ids("dear", "long and dear") | set(jaeger_traces(fleet.jaeger, DEMO)),
        "TraceQL finds the dear runs",
    )


def test_the_spans_of_a_trace_reach_one_gateway(fleet: Fleet) -> None:
    first, second = ({span["traceId"] for span in gateway.replay_spans()} for gateway in fleet.gateways)

    assert not first & second
    assert len(first) > 100
    assert len(second) > 100
    assert first | second == fleet.ids(*fleet.runs) | set(jaeger_traces(fleet.jaeger, DEMO))


def test_runs_that_are_dear_failed_or_have_suggestions_are_all_kept_also_when_they_are_long(fleet: Fleet) -> None:
    kept = jaeger_traces(fleet.jaeger, MADE_UP)
    wanted = fleet.ids("dear", "long and dear", "with a suggestion", "failed")

    assert wanted <= set(kept)
    assert {len(kept[trace_id]) for trace_id in wanted} == {3}


def test_of_the_others_a_tenth_is_kept_whole(fleet: Fleet) -> None:
    others = fleet.ids("ordinary", "long")
    kept = {trace_id: spans for trace_id, spans in jaeger_traces(fleet.jaeger, MADE_UP).items() if trace_id in others}

    # 320 runs at 10 %, with ids that are the same each time: the odds of leaving this range would be 1 in 10,000.
    assert 12 <= len(kept) <= 53
    assert {len(spans) for spans in kept.values()} == {3}


def test_both_backends_hold_the_same_traces(fleet: Fleet) -> None:
    settled(
        fleet,
        lambda: traceql(fleet.tempo, f'{{ resource.service.name = "{MADE_UP}" }}'),
        set(jaeger_traces(fleet.jaeger, MADE_UP)),
        "Tempo finds the traces that Jaeger has",
    )


def test_a_run_longer_than_the_wait_is_kept_whole(fleet: Fleet) -> None:
    """It is decided upon while it is open, so nobody knows what it will have cost."""
    spans = until(
        lambda: jaeger_traces(fleet.jaeger, OPEN).get(fleet.open_run.trace_id, []),
        what="Jaeger has the run whole",
        servers=[fleet.jaeger],
        good=lambda found: len(found) == 3,
    )

    whole(spans)
