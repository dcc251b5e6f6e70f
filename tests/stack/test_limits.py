"""What gateway.yaml says of its own limits."""

from __future__ import annotations

import pytest

from tests.stack.servers import Servers, until
from tests.stack.traffic import made_up_run, send

pytestmark = pytest.mark.stack


def test_a_gateway_told_to_end_decides_on_what_it_has(servers: Servers) -> None:
    """What it keeps waits on disk where it cannot be sent at once."""
    backend = servers.start_collector("local.yaml", {"TRACE_BACKENDS": "[otlp_grpc/jaeger]"})
    backend.kill()
    gateway = servers.start_collector(
        "gateway.yaml",
        {
            "TRACE_BACKENDS": "[otlp_grpc/tempo]",
            "TEMPO_ENDPOINT": backend.otlp_grpc,
            "DECISION_WAIT_AFTER_ROOT": "1h",
            "DECISION_WAIT": "1h",
            "RETRY_INITIAL": "100ms",
        },
    )
    dear, still_open, ordinary = made_up_run(0, cost_usd=1.0), made_up_run(1), made_up_run(2)
    for spans in (dear.spans, still_open.inner, ordinary.spans):
        send(gateway.otlp_http, spans)

    gateway.stop()
    backend.start()
    gateway.start()

    wanted = {span["spanId"] for span in (*dear.spans, *still_open.inner)}
    until(
        lambda: {span["spanId"] for span in backend.replay_spans()},
        what="the dear run and the open one arrive",
        servers=servers.started,
        good=lambda found: found == wanted,
    )


def test_runs_beyond_the_most_that_a_gateway_holds_are_dropped_and_counted(servers: Servers) -> None:
    gateway = servers.start_collector(
        "gateway.yaml", {"TRACE_BACKENDS": "[otlp_grpc/tempo]", "NUM_TRACES": "10", "DECISION_WAIT": "3s"}
    )
    for number in range(50):
        send(gateway.otlp_http, made_up_run(number).inner)

    until(
        lambda: gateway.own_metric("otelcol_processor_tail_sampling_sampling_trace_dropped_too_early"),
        what="40 runs are counted as dropped",
        servers=[gateway],
        good=lambda dropped: dropped == 40,
    )
    assert gateway.own_metric("otelcol_processor_tail_sampling_count_traces_sampled", policy="no-root") == 10


def test_a_queue_that_is_full_refuses_and_keeps_what_it_has(servers: Servers) -> None:
    """The application's exporter tries again, and drops in the end, without the application waiting."""
    backend = servers.start_collector("local.yaml", {"TRACE_BACKENDS": "[otlp_grpc/jaeger]"})
    backend.kill()
    collector = servers.start_collector(
        "local.yaml",
        {
            "TRACE_BACKENDS": "[otlp_grpc/tempo]",
            "TEMPO_ENDPOINT": backend.otlp_grpc,
            "QUEUE_SPANS": "6000",
            "RETRY_INITIAL": "100ms",
        },
    )
    accepted: list[str] = []

    def fill() -> None:
        for number in range(5_000):
            run = made_up_run(number)
            send(collector.otlp_http, run.spans)
            accepted.extend(span["spanId"] for span in run.spans)

    with pytest.raises(OSError, match="503"):
        fill()
    backend.start()

    assert len(accepted) >= 6_000
    until(
        lambda: set(accepted) <= {span["spanId"] for span in backend.replay_spans()},
        what=f"the {len(accepted)} spans that were accepted arrive",
        servers=servers.started,
    )
