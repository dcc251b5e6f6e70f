from __future__ import annotations

import pytest

from tests.stack.servers import Servers, until
from tests.stack.traffic import made_up_run, send

pytestmark = pytest.mark.stack


def test_gateways_by_name_and_a_backend_over_http(servers: Servers) -> None:
    """The other choice of GATEWAYS_BY and of TRACE_BACKENDS: agent -> gateway by DNS -> OTLP over HTTP."""
    backend = servers.start_collector("local.yaml", {"TRACE_BACKENDS": "[otlp_grpc/jaeger]"})
    hosted = {"TRACE_BACKENDS": "[otlp_http/hosted]", "HOSTED_ENDPOINT": backend.otlp_http}
    gateway = servers.start_collector(
        "gateway.yaml", {**hosted, "DECISION_WAIT_AFTER_ROOT": "1s", "SAMPLING_PERCENTAGE": "100"}
    )
    host, _, port = gateway.otlp_grpc.partition(":")
    agent = servers.start_collector("agent.yaml", {"GATEWAY_HOSTNAME": host, "GATEWAY_PORT": port})
    run = made_up_run(0)
    send(agent.otlp_http, run.spans)

    arrived = until(
        backend.replay_spans,
        what="the run has gone all the way",
        servers=servers.started,
    )

    assert {span["spanId"] for span in arrived} == {span["spanId"] for span in run.spans}


def test_an_agent_killed_while_the_gateways_are_away_loses_nothing_that_it_had_accepted(servers: Servers) -> None:
    """And each span of it arrives once."""
    gateway = servers.start_collector("gateway.yaml", {"TRACE_BACKENDS": "[otlp_grpc/jaeger]"})
    gateway.kill()
    agent = servers.start_collector(
        "agent.yaml",
        {"GATEWAYS_BY": "load_balancing/static", "GATEWAYS": f"[{gateway.otlp_grpc}]", "RETRY_INITIAL": "100ms"},
    )
    runs = [made_up_run(number) for number in range(200)]
    for run in runs:
        send(agent.otlp_http, run.spans)
    agent.kill()
    agent.start()
    gateway.start()

    arrived = until(
        gateway.replay_spans,
        what="all spans are at the gateway",
        servers=servers.started,
        good=lambda spans: len(spans) >= 600,
    )

    assert sorted(span["spanId"] for span in arrived) == sorted(span["spanId"] for run in runs for span in run.spans)


def test_a_gateway_that_comes_back_gets_what_the_agent_held_for_it(servers: Servers) -> None:
    """The other gateway goes on meanwhile, though what it gets may be sent to it again."""
    first, second = (
        servers.start_collector("gateway.yaml", {"TRACE_BACKENDS": "[otlp_grpc/jaeger]"}) for _ in range(2)
    )
    settings = {"RETRY_INITIAL": "100ms", "GATEWAY_RETRY": "5s", "RETRY_MAX": "500ms"}
    gateways = f"[{first.otlp_grpc}, {second.otlp_grpc}]"
    agent = servers.start_collector(
        "agent.yaml", {**settings, "GATEWAYS_BY": "load_balancing/static", "GATEWAYS": gateways}
    )
    runs = [made_up_run(number) for number in range(100)]
    first.kill()
    for run in runs:
        send(agent.otlp_http, run.spans)
    first.start()

    def arrived() -> set[str]:
        return {span["spanId"] for gateway in (first, second) for span in gateway.replay_spans()}

    wanted = {span["spanId"] for run in runs for span in run.spans}
    until(arrived, what="all spans are at the gateways", servers=servers.started, good=lambda found: found == wanted)
