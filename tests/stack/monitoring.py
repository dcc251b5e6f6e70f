"""Prometheus and Alertmanager with the files of deploy/, in a time that runs faster, and somebody who is alerted.

Windows of hours cannot be waited for, so every duration in the rules and in both configs is divided by `LAPSE`. Nothing else
of them is changed, save the addresses, the budget and the receivers that are the user's to set.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from otel_agentperf.analysis.observations import day_of
from otel_agentperf.baselines import portable
from otel_agentperf.baselines.normals import SubjectKind
from otel_agentperf.baselines.tally import Tally, Values, named
from otel_agentperf.cli.demo import INSTRUMENTED, SETTINGS, loopback
from otel_agentperf.demo.script import RecordingScript
from otel_agentperf.demo.server import GeminiServer
from tests.deploy import queries
from tests.stack.servers import Collector, Server, Servers
from tests.stack.traffic import made_up_run, send
from tests.stack.waiting import fetch

LAPSE = 60
BUDGET_USD_PER_HOUR = 0.001
PROGRAM = queries.ROOT / "tests" / "programs" / "busy_agents.py"
BROKEN_RULE = """
from otel_agentperf.model import Complexity, OperationKind
from otel_agentperf.rules.base import Group, Rule, Scope

class Broken(Rule[None]):
    \"\"\"It raises.\"\"\"

    code, name, group, scope = "BROKEN001", "broken", Group.COST, Scope.RUN
    watches, complexity = frozenset({OperationKind.NODE}), Complexity.LOW

    def start(self): return None

    def observe(self, state, operation, view):
        raise RuntimeError("this rule is broken")
"""
MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}


def faster(text: str, lapse: int) -> str:
    """The text with each of its durations divided by `lapse`."""
    return re.sub(r"(?<![\w.:])(\d+)([dhms])(?!\w)", lambda found: f"{int(found[1]) * MS[found[2]] // lapse}ms", text)


def faster_rules(folder: Path, lapse: int) -> list[str]:
    """Copies of the rule files for this time, with a budget as a user would set one; their paths."""
    paths: list[str] = []
    for source in sorted(queries.RULES.glob("*.yml")):
        text = source.read_text()
        groups = yaml.safe_load(text)["groups"]
        for group in groups:
            group["interval"] = faster(group.get("interval", "30s"), lapse)
            for rule in group["rules"]:
                rule["expr"] = faster(re.sub(r"#.*", "", rule["expr"]), lapse)
                rule["expr"] = rule["expr"].replace("* 5\n", f"* {BUDGET_USD_PER_HOUR}\n")
                if "for" in rule:
                    rule["for"] = faster(rule["for"], lapse)
        path = folder / source.name
        path.write_text(yaml.safe_dump({"groups": groups}))
        paths.append(str(path))
    return paths


@dataclass
class Phone:
    """Somebody's phone: a webhook on loopback that keeps what Alertmanager says."""

    url: str
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def alerts(self, name: str, status: str) -> list[dict[str, Any]]:
        """What was said of an alert, `firing` or `resolved`."""
        return [
            alert
            for call in list(self.calls)
            for alert in call["alerts"]
            if alert["labels"]["alertname"] == name and alert["status"] == status
        ]


@contextlib.contextmanager
def phone() -> Generator[Phone]:
    """A phone that is switched on."""
    calls: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base gives it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Phone(f"http://127.0.0.1:{server.server_port}/", calls)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def start_alertmanager(servers: Servers, webhook: Phone, lapse: int = LAPSE) -> Server:
    """Alertmanager with deploy/'s config, both of whose receivers ring this phone."""
    config = yaml.safe_load(faster((queries.DEPLOY / "alertmanager" / "alertmanager.yml").read_text(), lapse))
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": webhook.url, "send_resolved": True}]
    return servers.start_alertmanager(config)


def start_faulty_collector(servers: Servers, folder: Path, wrong: str, away: str) -> Collector:
    """A Collector one of whose backends answers nonsense, and the other is away while its queue has next to no room."""
    backend = {"tls": {"insecure": True}, "timeout": "1s"}
    queue = {"queue_size": 1, "num_consumers": 1, "sizer": "requests"}
    reader = {"host": "${env:TELEMETRY_HOST}", "port": "${env:TELEMETRY_PORT}"}
    to_both = {"receivers": ["otlp"], "exporters": ["otlp_grpc/wrong", "otlp_grpc/away"]}
    config = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": "${env:OTLP_HTTP_LISTEN}"}}}},
        "exporters": {
            "otlp_grpc/wrong": {"endpoint": wrong, **backend},
            "otlp_grpc/away": {"endpoint": away, "sending_queue": queue, **backend},
        },
        "extensions": {"health_check": {"endpoint": "${env:HEALTH_LISTEN}"}},
        "service": {
            "extensions": ["health_check"],
            "telemetry": {"metrics": {"readers": [{"pull": {"exporter": {"prometheus": reader}}}]}},
            "pipelines": {"traces": to_both, "metrics": to_both},
        },
    }
    path = folder / "faulty.yaml"
    path.write_text(json.dumps(config))
    return servers.start_collector(path)


@contextlib.contextmanager
def fed(*collectors: Collector) -> Generator[None]:
    """These Collectors get spans and metrics all the time, whether they take them or not."""
    over = threading.Event()

    def feed() -> None:
        number = 0
        while not over.wait(0.3):
            number += 1
            for collector in collectors:
                with contextlib.suppress(OSError):
                    send(collector.otlp_http, made_up_run(number).spans)
                with contextlib.suppress(OSError):
                    send_metric(collector.otlp_http, number)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def send_metric(otlp_http: str, value: int) -> None:
    """Send one point of one sum."""
    point = {"asInt": str(value), "timeUnixNano": str(time.time_ns())}
    total = {"dataPoints": [point], "aggregationTemporality": 2, "isMonotonic": True}
    metrics: list[Any] = [{"metrics": [{"name": "made_up", "sum": total}]}]
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": metrics}]}).encode()
    fetch(f"{otlp_http}/v1/metrics", body=body, headers={"Content-Type": "application/json"})


def start_prometheus(
    servers: Servers, folder: Path, alertmanager: Server, targets: Mapping[str, list[str]], lapse: int = LAPSE
) -> Server:
    """Prometheus with deploy/'s config and rules, told where this Alertmanager and these targets are."""
    config = yaml.safe_load((queries.DEPLOY / "prometheus" / "prometheus.yml").read_text())
    if lapse != 1:
        config["global"] = {
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "evaluation_interval": faster("30s", lapse),
        }
    config["rule_files"] = faster_rules(folder, lapse)
    (manager,) = config["alerting"]["alertmanagers"]
    manager["static_configs"] = [{"targets": [alertmanager.url.removeprefix("http://")]}]
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
    return servers.start_prometheus(config)


def with_a_broken_rule(folder: Path) -> str:
    """A folder with a rule of a user's own that raises, installed as a distribution is."""
    (folder / "broken_rule.py").write_text(BROKEN_RULE)
    info = folder / "broken_rule-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-rule\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[otel_agentperf_rules]\nbroken = broken_rule:Broken\n")
    return str(folder)


def judged_settings(folder: Path) -> dict[str, str]:
    """Settings of agents whose past was better than they are today: `slower` took 5 ms, and `late` 9 to 11 s."""
    past = Tally()
    yesterday = day_of(time.time_ns()) - 1
    for number in range(100):
        for name, duration_ns in (
            ("slower", 5_000_000 + 10_000 * number),
            ("late", 9_000_000_000 + 20_000_000 * number),
        ):
            past.add(yesterday, [(named(SubjectKind.GRAPH, name), Values(succeeded=True, duration_ns=duration_ns))])
    baseline, config = folder / "past.json", folder / "judged.toml"
    baseline.write_bytes(portable.written(past.all()))
    config.write_text("[rules.LAT011]\ndeadline_s = 1\n")
    return {"AGENTPERF_BASELINE_FROM": str(baseline), "AGENTPERF_CONFIG": str(config)}


@contextlib.contextmanager
def agents(kind: str, otlp_http: str, *paths: str, **settings: str) -> Generator[subprocess.Popen[bytes]]:
    """The program at work, of the kind `steady`, `troubled` or `judged`; told to end when the block does."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ}
    with GeminiServer(RecordingScript(), speed=200, record=False) as gemini:
        environment |= loopback(environment, gemini.base_url)
        environment |= {
            "PYTHONPATH": os.pathsep.join((str(queries.ROOT), *paths)),
            "AGENTPERF_CONFIG": str(SETTINGS),
            "OTEL_SERVICE_NAME": f"{kind}-agents",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_http,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            # The environment of the tests has other people's too, which count the same requests.
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "langchain,google-genai,google_genai,system_metrics",
            **settings,
        }
        program = subprocess.Popen([*INSTRUMENTED, str(PROGRAM), kind], env=environment, stdin=subprocess.PIPE)
        try:
            yield program
        finally:
            program.communicate()
