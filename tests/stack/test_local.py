"""One Collector on one box: what it takes off, what it writes for replay, and what Prometheus gets of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from otel_agentperf import semconv
from otel_agentperf.cli.group import group
from tests.reading import recorded
from tests.stack.asking import promql
from tests.stack.servers import Collector, Server, Servers, fetch_json, until
from tests.stack.traffic import Span, attributes, made_up_run, send, start_demo

pytestmark = pytest.mark.stack

SAID = ("Paris", "sunny")
"""Of all that the recorded programs asked and were told, these are in every question and every answer."""
FAKE_KEY = "AIza" + "x" * 35


@dataclass(frozen=True)
class Box:
    collector: Collector
    prometheus: Server


@pytest.fixture(scope="module")
def box(shared_servers: Servers) -> Box:
    collector = shared_servers.start_collector(
        "local.yaml", {"TRACE_BACKENDS": "[otlp_grpc/jaeger]", "SPAN_METRICS_INTERVAL": "1s"}
    )
    address = collector.metrics_url.removeprefix("http://").removesuffix("/metrics")
    own = collector.own_metrics_url.removeprefix("http://").removesuffix("/metrics")
    prometheus = shared_servers.start_prometheus(
        {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                # `job` and `instance` are the application's, not the Collector's.
                {"job_name": "agents", "honor_labels": True, "static_configs": [{"targets": [address]}]},
                {"job_name": "collector", "static_configs": [{"targets": [own]}]},
            ],
        }
    )
    with start_demo(collector.otlp_http, speed=20) as demo:
        assert demo.wait(120) == 0
    return Box(collector, prometheus)


def as_otlp(span: dict[str, object]) -> Span:
    said = json.loads(json.dumps(span))
    events = [
        {"name": one["name"], "timeUnixNano": str(said["end_ns"]), "attributes": attributes(one["attributes"])}
        for one in said.get("events", ())
    ]
    return {
        "traceId": said["trace_id"],
        "spanId": said["span_id"],
        "parentSpanId": said["parent_id"] or "",
        "name": said["name"],
        "startTimeUnixNano": str(said["start_ns"]),
        "endTimeUnixNano": str(said["end_ns"]),
        "attributes": attributes(said["attributes"]),
        "events": events,
    }


def spent_by_the_demo(box: Box) -> float:
    costs = [
        one["value"]["doubleValue"]
        for span in box.collector.replay_spans()
        if span["name"] == "invoke_workflow recording"
        for one in span["attributes"]
        if one["key"] == semconv.RUN_COST
    ]
    assert len(costs) == 2
    return sum(costs)


def without_errors(span: Span) -> Span:
    """The messages of errors stay, and may quote what was asked; local.yaml says so."""
    events = [event for event in span.get("events", ()) if event["name"] != "exception"]
    return {
        **span,
        "attributes": [one for one in span["attributes"] if one["key"] != "gen_ai.framework.error.message"],
        "events": events,
    }


@pytest.mark.parametrize("who", recorded.WHO)
def test_what_others_record_of_prompts_and_answers_goes_no_further(who: str, box: Box) -> None:
    """The same spans as before, without a word of what was said."""
    scopes: dict[str, list[Span]] = {}
    for scenario in recorded.spans(who).values():
        for span in scenario:
            scopes.setdefault(span["scope"], []).append(as_otlp(span))
    sent = [span for spans in scopes.values() for span in spans]
    assert any(word in json.dumps(sent) for word in SAID)
    for scope, spans in scopes.items():
        send(box.collector.otlp_http, spans, who, scope)

    arrived = {span["spanId"]: span for span in box.collector.replay_spans()}

    for span in sent:
        there = arrived[span["spanId"]]
        left = json.dumps(without_errors(there))
        assert not [word for word in SAID if word in left], there
        before, after = ({one["key"] for one in one_span["attributes"]} for one_span in (span, there))
        assert {key for key in before if "usage" in key or "model" in key} - {"model_request_parameters"} <= after


def test_content_on_events_goes_no_further_and_the_event_stays(box: Box) -> None:
    run = made_up_run(2)
    said = {"gen_ai.system": "gemini", "content": "What is the weather in Oslo?", "role": "user"}
    event = {"timeUnixNano": run.root["endTimeUnixNano"], "name": "gen_ai.user.message", "attributes": attributes(said)}
    send(box.collector.otlp_http, [*run.inner, {**run.root, "events": [event]}])

    (root,) = [span for span in box.collector.replay_spans() if span["spanId"] == run.root["spanId"]]

    assert root["events"][0]["name"] == "gen_ai.user.message"
    assert {one["key"] for one in root["events"][0]["attributes"]} == {"gen_ai.system", "role"}


def test_keys_and_tokens_are_masked_wherever_they_stand(box: Box) -> None:
    run = made_up_run(1)
    run.root["attributes"] += attributes({"http.url": f"https://example.com/?key={FAKE_KEY}"})
    run.root["events"] = [
        {
            "timeUnixNano": run.root["endTimeUnixNano"],
            "name": "exception",
            "attributes": attributes({"exception.message": "refused: Authorization: Bearer abcdefghijklmnopqrst"}),
        }
    ]
    send(box.collector.otlp_http, run.spans)

    text = box.collector.replay_text()

    assert run.trace_id in text
    assert "https://example.com/?key=****" in text
    assert FAKE_KEY not in text
    assert "abcdefghijklmnopqrst" not in text


def test_the_file_is_replayed_with_the_figures_that_stand_on_the_spans(box: Box, tmp_path: Path) -> None:
    lines = [line for line in box.collector.replay_text().splitlines() if '"agentperf-demo"' in line]
    (tmp_path / "demo.json").write_text("\n".join(lines), encoding="utf-8")

    done = CliRunner().invoke(group, ["analyze", str(tmp_path / "demo.json"), "--format", "json"])

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["figures"]["costs"]["total_usd"] == pytest.approx(spent_by_the_demo(box))


def test_series_carry_the_service_its_instance_and_no_other_part_of_the_resource(box: Box) -> None:
    (runs,) = until(
        lambda: promql(box.prometheus, "agentperf_runs_total"),
        what="Prometheus has the demo's runs",
        servers=[box.collector, box.prometheus],
    )
    labels = dict(runs["metric"])

    assert runs["value"][1] == "2"
    assert labels["job"] == labels["service_name"] == "agentperf-demo"
    assert len(labels["instance"]) == 36
    assert not [name for name in labels if name.startswith(("telemetry_", "process_", "host_"))]
    assert promql(box.prometheus, 'target_info{job="agentperf-demo", telemetry_sdk_language="python"}')


def test_money_in_prometheus_is_the_money_on_the_spans(box: Box) -> None:
    (total,) = until(
        lambda: promql(box.prometheus, "sum(agentperf_cost_USD_total)"),
        what="Prometheus has the demo's cost",
        servers=[box.prometheus],
    )

    assert float(total["value"][1]) == pytest.approx(spent_by_the_demo(box))


def test_an_exemplar_leads_to_a_trace(box: Box) -> None:
    def exemplars() -> set[str]:
        metric = "traces_span_metrics_duration_seconds_bucket"
        answer = fetch_json(f"{box.prometheus.url}/api/v1/query_exemplars", query=metric, start=0, end=4e9)
        return {one["labels"]["trace_id"] for series in answer["data"] for one in series["exemplars"]}

    traces = until(exemplars, what="Prometheus has exemplars", servers=[box.prometheus])

    assert traces & {span["traceId"] for span in box.collector.replay_spans()}


def test_the_collector_tells_prometheus_what_it_took_and_sent(box: Box) -> None:
    """Under these names the alert on lost telemetry asks."""
    for name in ("otelcol_receiver_accepted_spans", "otelcol_exporter_sent_spans", "otelcol_receiver_refused_spans"):
        found = until(
            lambda name=name: promql(box.prometheus, f'{{__name__=~"{name}(_total)?"}}'),
            what=f"Prometheus has {name}",
            servers=[box.prometheus],
        )
        assert {one["metric"]["__name__"] for one in found} == {name}
