"""The rules, the dashboards and the alerts against the real servers, with agents at work."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import queries
from tests.stack import bad_backends, monitoring
from tests.stack.asking import promql, tempo_trace, traceql
from tests.stack.monitoring import Phone
from tests.stack.servers import Backend, Collector, Server, Servers
from tests.stack.traffic import start_demo
from tests.stack.waiting import fetch_json, free_port, until

pytestmark = pytest.mark.stack

PATIENCE_S = 400.0
RATE_INTERVAL, RANGE = "20s", "30m"
ALERTS, RECORDED = queries.rules("alert"), queries.rules("record")
FIRING = (
    ("AgentPerfCostBurnFast", "steady-agents"),
    ("AgentPerfSessionOverBudget", "steady-agents"),
    ("AgentPerfUnpricedUsage", "steady-agents"),
    ("AgentPerfRunSuccessLow", "steady-agents"),
    ("AgentPerfLoop", "steady-agents"),
    ("AgentPerfRegression", "judged-agents"),
    ("AgentPerfForecast", "judged-agents"),
    ("AgentPerfBudgetExceeded", "judged-agents"),
    ("AgentPerfInternalErrors", "troubled-agents"),
    ("AgentPerfStateDropped", "troubled-agents"),
    ("AgentPerfSeriesCapped", "troubled-agents"),
    ("AgentPerfCollectorSendFailed", "agentperf-collector"),
    ("AgentPerfCollectorQueueFull", "agentperf-collector"),
    ("AgentPerfCollectorRefused", "agentperf-collector"),
    ("AgentPerfGatewayTracesDropped", "agentperf-collector"),
)
"""What this traffic and these faults raise, and of whom."""


@dataclass
class Watched:
    """Agents at work, and all that watches them."""

    prometheus: Server
    alertmanager: Server
    collector: Collector
    spare: Collector
    jaeger: Backend
    tempo: Backend
    phone: Phone

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """An instant query; what is no number is no data."""
        found = promql(self.prometheus, queries.with_values(expr, RATE_INTERVAL, RANGE))
        return [one for one in found if one["value"][1] != "NaN"]

    def until_there_is(self, expr: str) -> list[dict[str, Any]]:
        """The first answer that is not empty."""
        return until(lambda: self.ask(expr), what=f"data for {expr}", timeout_s=PATIENCE_S)

    def until_told(self, alert: str, status: str, **labels: str) -> dict[str, Any]:
        """The first message on an alert with these labels that is `firing` or `resolved`."""

        def told() -> list[dict[str, Any]]:
            return [one for one in self.phone.alerts(alert, status) if labels.items() <= one["labels"].items()]

        return until(told, what=f"{alert} is {status}", timeout_s=PATIENCE_S)[0]


@pytest.fixture(scope="module")
def watched(shared_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    servers, folder = shared_servers, tmp_path_factory.mktemp("watched")
    wrong, away = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with ExitStack() as stack:
        ringing = stack.enter_context(monitoring.phone())
        stack.enter_context(bad_backends.nonsense(wrong))
        jaeger, tempo = servers.start_jaeger(), servers.start_tempo()
        backends = {"JAEGER_ENDPOINT": jaeger.otlp_grpc, "TEMPO_ENDPOINT": tempo.otlp_grpc}
        collector = servers.start_collector("local.yaml", backends)
        spare = servers.start_collector("local.yaml", backends)
        faulty = monitoring.start_faulty_collector(servers, folder, wrong, away)
        small = servers.start_collector("gateway.yaml", {**backends, "NUM_TRACES": "3"})
        stack.enter_context(monitoring.fed(faulty, small))
        alertmanager = monitoring.start_alertmanager(servers, ringing)
        own = [address(one.own_metrics_url) for one in (collector, spare, faulty, small)]
        targets = {"agentperf": [address(collector.metrics_url)], "agentperf-collector": own}
        prometheus = monitoring.start_prometheus(servers, folder, alertmanager, targets)
        stack.enter_context(monitoring.agents("steady", collector.otlp_http))
        few = {"AGENTPERF_MAX_LIVE_RUNS": "2", "AGENTPERF_MAX_SESSIONS": "2"}
        # And with opentelemetry-instrumentation-system-metrics on, to which ours gives way.
        few["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "langchain,google-genai,google_genai"
        broken = monitoring.with_a_broken_rule(folder)
        stack.enter_context(monitoring.agents("troubled", collector.otlp_http, broken, **few))
        settings = monitoring.judged_settings(folder)
        stack.enter_context(monitoring.agents("judged", collector.otlp_http, **settings))
        yield Watched(prometheus, alertmanager, collector, spare, jaeger, tempo, ringing)


def address(url: str) -> str:
    """Host and port of an URL."""
    return url.split("/")[2]


def test_the_demo_raises_the_alert_that_the_page_promises_in_real_time(servers: Servers, tmp_path: Path) -> None:
    with monitoring.phone() as ringing:
        collector = servers.start_collector("local.yaml", {"TRACE_BACKENDS": "[otlp_grpc/tempo]"})
        alertmanager = monitoring.start_alertmanager(servers, ringing, lapse=1)
        own, told = address(collector.own_metrics_url), address(collector.metrics_url)
        targets = {"agentperf": [told], "agentperf-collector": [own]}
        monitoring.start_prometheus(servers, tmp_path, alertmanager, targets, lapse=1)
        with start_demo(collector.otlp_http, speed=20) as demo:
            assert demo.wait(120) == 0
        done = time.monotonic()
        (first, *_) = until(
            lambda: ringing.alerts("AgentPerfSessionOverBudget", "firing"), what="the alert", timeout_s=120
        )
        assert first["labels"]["job"] == "agentperf-demo"
        assert time.monotonic() - done < 120


@pytest.mark.parametrize("asked", queries.of_panels(), ids=str)
def test_every_panel_shows_something(watched: Watched, asked: queries.Asked) -> None:
    assert watched.until_there_is(asked.expr)
    for selector in queries.selectors(queries.with_values(asked.expr, RATE_INTERVAL, RANGE)):
        assert watched.until_there_is(f"last_over_time({selector}[{RANGE}])")


@pytest.mark.parametrize("name", RECORDED)
def test_every_recording_rule_records_something(watched: Watched, name: str) -> None:
    assert watched.until_there_is(name)


@pytest.mark.parametrize("name", ALERTS)
def test_all_that_an_alert_looks_at_is_there(watched: Watched, name: str) -> None:
    for selector in queries.selectors(ALERTS[name]["expr"]):
        assert watched.until_there_is(f"last_over_time({selector}[{RANGE}])")


def test_no_rule_fails(watched: Watched) -> None:
    watched.until_there_is("job:agentperf_budget_usd_per_hour")
    groups = fetch_json(f"{watched.prometheus.url}/api/v1/rules")["data"]["groups"]
    known = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in known} == ALERTS.keys() | RECORDED.keys()
    assert [(rule["name"], rule["lastError"]) for rule in known if rule["health"] == "err"] == []


@pytest.mark.parametrize(("alert", "job"), FIRING)
def test_an_alert_rings(watched: Watched, alert: str, job: str) -> None:
    told = watched.until_told(alert, "firing", job=job)
    assert told["labels"]["severity"] in {"warning", "critical"}
    assert told["annotations"]["runbook"].endswith(f"#{alert.lower()}")
    assert "<no value>" not in f"{told['annotations']}"


def test_while_the_fast_burn_fires_the_slow_one_is_held_back(watched: Watched) -> None:
    watched.until_told("AgentPerfCostBurnFast", "firing", job="steady-agents")

    def held_back() -> list[str]:
        alerts = fetch_json(f"{watched.alertmanager.url}/api/v2/alerts", filter='alertname="AgentPerfCostBurnSlow"')
        return [one["labels"]["job"] for one in alerts if one["status"]["inhibitedBy"]]

    assert "steady-agents" in until(held_back, what="the slow burn is held back", timeout_s=PATIENCE_S)


def test_alerts_on_agents_are_resolved_when_the_agents_have_stopped(watched: Watched) -> None:
    alerts = ("AgentPerfCostBurnFast", "AgentPerfLoop")
    with monitoring.agents("steady", watched.collector.otlp_http, OTEL_SERVICE_NAME="passing-agents"):
        for alert in alerts:
            watched.until_told(alert, "firing", job="passing-agents")
    for alert in alerts:
        watched.until_told(alert, "resolved", job="passing-agents")


def test_a_collector_that_dies_is_noticed_and_so_is_its_return(watched: Watched) -> None:
    instance = address(watched.spare.own_metrics_url)
    watched.until_there_is(f'up{{instance="{instance}"}} == 1')
    watched.spare.kill()
    watched.until_told("AgentPerfCollectorDown", "firing", instance=instance)
    watched.spare.start()
    watched.until_told("AgentPerfCollectorDown", "resolved", instance=instance)


def clicked(query: str, series: dict[str, str]) -> str:
    """The query of a link with the labels of the series that was clicked on."""
    return re.sub(r"\$\{__field\.labels\.(\w+)\}", lambda at: series.get(at[1], ""), query)


@pytest.mark.parametrize(("place", "query"), queries.links())
def test_every_link_of_a_panel_leads_to_traces(watched: Watched, place: str, query: str) -> None:
    panel = dict(queries.panels())[place.rsplit(": ", 1)[0]]
    labels = "${__field." in query

    def found() -> bool:
        asked = watched.ask(panel["targets"][0]["expr"]) if labels else ()
        series: list[dict[str, str]] = [one["metric"] for one in asked] or [{}]
        return any(traceql(watched.tempo, one) for one in sorted({clicked(query, of) for of in series}))

    until(found, what=f"traces behind {place}", timeout_s=PATIENCE_S)


@pytest.mark.parametrize(
    "asked",
    [
        queries.Asked(f"{place} {target['refId']}", target["expr"])
        for place, panel in queries.panels()
        for target in panel["targets"]
        if target.get("exemplar")
    ],
    ids=str,
)
def test_the_points_of_a_panel_are_traces_in_both_backends(watched: Watched, asked: queries.Asked) -> None:
    expr = queries.with_values(asked.expr, RATE_INTERVAL, RANGE)
    window = {"start": time.time() - 1_800, "end": time.time() + 1_800}

    def exemplars() -> list[str]:
        series = fetch_json(f"{watched.prometheus.url}/api/v1/query_exemplars", query=expr, **window)["data"]
        return [one["labels"]["trace_id"] for each in series for one in each["exemplars"]]

    trace_id = until(exemplars, what=f"exemplars of {asked.place}", timeout_s=PATIENCE_S)[0]
    assert until(lambda: tempo_trace(watched.tempo, trace_id), what=f"{trace_id} in Tempo")
    assert until(
        lambda: fetch_json(f"{watched.jaeger.url}/api/traces/{trace_id}")["data"], what=f"{trace_id} in Jaeger"
    )
