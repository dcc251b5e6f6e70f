"""The real servers on loopback: each on free ports, with its data and its log in a folder of the test.

`Servers` starts them, waits until they answer, and ends them when the test ends:

    with Servers(tmp_path) as servers:
        jaeger, tempo = servers.start_jaeger(), servers.start_tempo()
        collector = servers.start_collector("local.yaml", {
            "JAEGER_ENDPOINT": jaeger.otlp_grpc, "TEMPO_ENDPOINT": tempo.otlp_grpc})
        prometheus = servers.start_prometheus(config, rules=[RULES])
        alertmanager = servers.start_alertmanager(config)

Each has `url` (its HTTP API), `stop()`, `kill()` (at once, as a crash does) and `restart()` (same ports, same data).
A server that does not come up, or a condition that does not come true, fails with the end of the servers' logs.
What deploy/servers/build.py could not build fails with the error that it left.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from deploy.servers import build
from tests.stack.backend_configs import jaeger_config, tempo_config
from tests.stack.waiting import fetch, fetch_json, free_port, until

__all__ = ["Backend", "Collector", "Server", "Servers", "fetch", "fetch_json", "free_port", "program", "until"]

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "collector-config"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
TAIL_LINES = 25


def program(server: str, name: str) -> Path:
    """Where a program of a server lies; fails the test with the build's error where it is not there."""
    found = next(one for one in build.servers() if one.name == server)
    cache = build.default_cache()
    path = cache / found.folder_name / name
    if path.exists():
        return path
    told = cache / f"{server}.error"
    why = told.read_text() if told.exists() else "it was never built: python deploy/servers/build.py"
    pytest.fail(f"{name} is not there, so this was not tested.\n{why}", pytrace=False)


@dataclass
class Server:
    """A server that runs, or ran, with everything needed to start it again in the same place."""

    name: str
    command: Sequence[str]
    folder: Path
    ready_url: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    url: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """What it prints, of all its starts."""
        return self.folder / "log"

    @property
    def has_died(self) -> bool:
        """Ended without being told to."""
        return self.process is not None and self.process.poll() is not None

    def log_tail(self) -> str:
        """The end of its log under a heading."""
        said = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        return "\n".join(("", f"--- {self.name}: {self.log_path}", *(line[:500] for line in said[-TAIL_LINES:]), ""))

    def start(self) -> None:
        """Start, and return when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(
            lambda: fetch(self.ready_url),
            what=f"{self.name} answers at {self.ready_url}",
            timeout_s=START_TIMEOUT_S,
            servers=[self],
            good=lambda _: True,
        )

    def stop(self) -> None:
        """Ask it to end, as an orchestrator does, and wait; kill it where it does not."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        """End it at once, as a crash or the kernel's out-of-memory killer does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Start it again, on the same ports and with the data that it left."""
        self.stop()
        self.start()


@dataclass
class Backend(Server):
    """A server that takes traces."""

    otlp_grpc: str = ""


@dataclass
class Collector(Server):
    """A Collector: where it takes OTLP, and where it shows metrics."""

    otlp_grpc: str = ""
    """Host and port, as other Collectors want it."""
    otlp_http: str = ""
    """An address, as `otel-agentperf demo --otlp` wants it."""
    metrics_url: str = ""
    """What Prometheus scrapes: the metrics that applications sent, and those made of spans."""
    own_metrics_url: str = ""
    """What the Collector says of itself."""

    def replay_text(self) -> str:
        """What its file exporter has written for replay."""
        path = self.folder / "replay" / "traces.json"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def replay_spans(self) -> list[dict[str, Any]]:
        """The spans in it, as OTLP's JSON has them."""
        return [
            span
            for line in self.replay_text().splitlines()
            for resource in json.loads(line)["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def own_metric(self, name: str, **labels: str) -> float:
        """The sum of one of the Collector's own counters or gauges over the series that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in fetch(self.own_metrics_url).splitlines()
            if line.startswith((f"{name}{{", f"{name}_total{{", f"{name} ", f"{name}_total "))
            and all(want in line for want in wanted)
        )


class Servers:
    """Starts servers and stops them all at the end, those first that were started last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._exit = ExitStack()
        self._count = 0
        self.started: list[Server] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def _place(self, name: str) -> Path:
        self._count += 1
        place = self.folder / f"{self._count}-{name}"
        place.mkdir(parents=True)
        return place

    def _begin(self, server: Server) -> None:
        self.started.append(server)
        self._exit.callback(server.kill)  # nobody needs what it has, and some take half a minute to end
        server.start()

    def start_collector(self, config: str | Path, env: Mapping[str, str] | None = None) -> Collector:
        """Start a Collector with a config of collector-config/, or with any other file.

        Args:
            config: a file's name in collector-config/, or a path.
            env: values for the config; ports and folders need none, they are chosen here.
        """
        path = CONFIGS / config
        place = self._place(path.stem)
        ports = {name: free_port() for name in ("grpc", "http", "prometheus", "own", "health")}
        on_loopback = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        chosen = {
            "OTLP_GRPC_LISTEN": on_loopback["grpc"],
            "OTLP_HTTP_LISTEN": on_loopback["http"],
            "PROMETHEUS_LISTEN": on_loopback["prometheus"],
            "TELEMETRY_HOST": "127.0.0.1",
            "TELEMETRY_PORT": str(ports["own"]),
            "HEALTH_LISTEN": on_loopback["health"],
            "QUEUE_DIRECTORY": str(place / "queue"),
            "REPLAY_DIRECTORY": str(place / "replay"),
            **(env or {}),
        }
        collector = Collector(
            name=place.name,
            command=[str(program("collector", "otelcol")), f"--config={path}"],
            folder=place,
            ready_url=f"http://{on_loopback['health']}/",
            env=chosen,
            url=f"http://{on_loopback['http']}",
            otlp_grpc=on_loopback["grpc"],
            otlp_http=f"http://{on_loopback['http']}",
            metrics_url=f"http://{on_loopback['prometheus']}/metrics",
            own_metrics_url=f"http://{on_loopback['own']}/metrics",
        )
        self._begin(collector)
        return collector

    def start_jaeger(self) -> Backend:
        """Start Jaeger with its traces in memory; `url` is its query API."""
        place = self._place("jaeger")
        grpc, query, query_grpc, own = (f"127.0.0.1:{free_port()}" for _ in range(4))
        config = jaeger_config(grpc, query, query_grpc, own)
        (place / "jaeger.yaml").write_text(json.dumps(config))  # JSON is YAML
        url = f"http://{query}"
        jaeger = Backend(
            name=place.name,
            command=[str(program("jaeger", "jaeger")), f"--config={place / 'jaeger.yaml'}"],
            folder=place,
            ready_url=f"{url}/api/services",
            url=url,
            otlp_grpc=grpc,
        )
        self._begin(jaeger)
        return jaeger

    def start_tempo(self) -> Backend:
        """Start Tempo with its traces on disk; a search finds a trace within seconds, not at once."""
        place = self._place("tempo")
        otlp, port = f"127.0.0.1:{free_port()}", free_port()
        config = tempo_config(otlp, port, free_port(), free_port(), place)
        (place / "tempo.yaml").write_text(json.dumps(config))
        url = f"http://127.0.0.1:{port}"
        tempo = Backend(
            name=place.name,
            command=[str(program("tempo", "tempo")), f"-config.file={place / 'tempo.yaml'}"],
            folder=place,
            ready_url=f"{url}/ready",
            url=url,
            otlp_grpc=otlp,
        )
        self._begin(tempo)
        return tempo

    def start_prometheus(self, config: Mapping[str, Any]) -> Server:
        """Start Prometheus with exemplars on.

        Args:
            config: its whole configuration; paths of rule files are absolute.
        """
        place = self._place("prometheus")
        listen = f"127.0.0.1:{free_port()}"
        (place / "prometheus.yml").write_text(json.dumps(config))
        server = Server(
            name=place.name,
            command=[
                str(program("prometheus", "prometheus")),
                f"--config.file={place / 'prometheus.yml'}",
                f"--storage.tsdb.path={place / 'data'}",
                f"--web.listen-address={listen}",
                "--web.enable-lifecycle",
                "--enable-feature=exemplar-storage",
            ],
            folder=place,
            ready_url=f"http://{listen}/-/ready",
            url=f"http://{listen}",
        )
        self._begin(server)
        return server

    def start_alertmanager(self, config: Mapping[str, Any]) -> Server:
        """Start Alertmanager alone, without a cluster.

        Args:
            config: its whole configuration.
        """
        place = self._place("alertmanager")
        listen = f"127.0.0.1:{free_port()}"
        (place / "alertmanager.yml").write_text(json.dumps(config))
        server = Server(
            name=place.name,
            command=[
                str(program("alertmanager", "alertmanager")),
                f"--config.file={place / 'alertmanager.yml'}",
                f"--storage.path={place / 'data'}",
                f"--web.listen-address={listen}",
                "--cluster.listen-address=",
            ],
            folder=place,
            ready_url=f"http://{listen}/-/ready",
            url=f"http://{listen}",
        )
        self._begin(server)
        return server
