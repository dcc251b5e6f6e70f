"""Runs that are open when a gateway has to decide: nobody knows yet what they will have cost, so they are kept.

Nothing else keeps them here: the share of ordinary runs is none, and what makes a run dear comes with its end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.stack.asking import Found, jaeger_traces
from tests.stack.servers import Backend, Collector, Servers, until
from tests.stack.traffic import Run, Span, made_up_run, send

pytestmark = pytest.mark.stack

OPEN = "open"
OTHER_SCOPE = "opentelemetry.instrumentation.other"
DEAR_USD = 5.0
SOON = {"DECISION_WAIT": "3s", "DECISION_WAIT_AFTER_ROOT": "1s", "SAMPLING_PERCENTAGE": "0"}


@dataclass(frozen=True)
class Gateway:
    collector: Collector
    jaeger: Backend

    def send(self, *spans: Span) -> None:
        """Spans of ours."""
        send(self.collector.otlp_http, spans, OPEN)

    def send_other(self, *spans: Span) -> None:
        """Spans of another library."""
        send(self.collector.otlp_http, spans, OPEN, OTHER_SCOPE)

    def decided(self) -> float:
        """Upon how many traces, until now."""
        return self.collector.own_metric("otelcol_processor_tail_sampling_global_count_traces_sampled")

    def until_decided(self, number: float) -> None:
        until(self.decided, what="the gateway decides", servers=[self.collector], good=lambda made: made == number)

    def until_kept(self, trace_id: str, spans: int) -> None:
        def kept() -> list[Found]:
            return jaeger_traces(self.jaeger, OPEN).get(trace_id, [])

        until(kept, what="the trace is whole", servers=[self.jaeger], good=lambda found: len(found) == spans)


def start(servers: Servers, **settings: str) -> Gateway:
    jaeger = servers.start_jaeger()
    to_jaeger = {"JAEGER_ENDPOINT": jaeger.otlp_grpc, "TRACE_BACKENDS": "[otlp_grpc/jaeger]"}
    return Gateway(servers.start_collector("gateway.yaml", {**to_jaeger, **SOON, **settings}), jaeger)


@pytest.fixture(scope="module")
def gateway(shared_servers: Servers) -> Gateway:
    return start(shared_servers)


def dear_run(number: int) -> Run:
    return made_up_run(number, cost_usd=DEAR_USD)


def request_around(number: int, *runs: Run) -> tuple[Span, list[Run]]:
    """A request that another library recorded, and these runs inside it, in its trace."""
    root: Span = {**made_up_run(number).root, "name": "POST /ask", "attributes": ()}
    trace: Span = {"traceId": root["traceId"]}

    def inside(run: Run) -> Run:
        inner = tuple(span | trace for span in run.inner)
        return replace(run, inner=inner, root=run.root | trace | {"parentSpanId": root["spanId"]})

    return root, [inside(run) for run in runs]


def test_a_run_of_which_only_spans_of_another_library_have_ended_is_kept_whole(gateway: Gateway) -> None:
    run = dear_run(1)
    before = gateway.decided()
    call = run.inner[0]
    gateway.send_other({**call, "name": "POST", "spanId": "a" * 16, "parentSpanId": call["spanId"], "attributes": []})
    gateway.until_decided(before + 1)
    gateway.send(*run.spans)

    gateway.until_kept(run.trace_id, 4)


def test_a_run_beside_one_that_has_ended_is_kept_whole(gateway: Gateway) -> None:
    request, (ended, still_open) = request_around(10, made_up_run(2), dear_run(3))
    before = gateway.decided()
    gateway.send(*ended.spans, still_open.inner[0])
    gateway.until_decided(before + 1)
    gateway.send(*still_open.inner[1:], still_open.root)
    gateway.send_other(request)

    gateway.until_kept(request["traceId"], 7)


def test_a_run_that_outlives_the_request_which_began_it_is_kept_whole(gateway: Gateway) -> None:
    request, (run,) = request_around(11, dear_run(4))
    before = gateway.decided()
    gateway.send_other(request)
    gateway.send(run.inner[0])
    gateway.until_decided(before + 1)
    gateway.send(*run.inner[1:], run.root)

    gateway.until_kept(request["traceId"], 4)


def test_where_roots_are_elsewhere_a_run_that_has_ended_is_kept_for_its_cost_alone(servers: Servers) -> None:
    elsewhere = start(servers, ROOTS_ELSEWHERE="true")
    (_, (cheap,)), (request, (dear,)) = request_around(12, made_up_run(5)), request_around(13, dear_run(6))
    elsewhere.send(*cheap.spans, *dear.spans)
    elsewhere.until_decided(2)

    elsewhere.until_kept(request["traceId"], 3)
    assert set(jaeger_traces(elsewhere.jaeger, OPEN)) == {request["traceId"]}
