"""What `doctor` says of the place that telemetry is sent to, with real sockets on loopback."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from otel_agentperf.cli.checks import collector, probe
from otel_agentperf.cli.finding import Level
from tests.cli.found import SILENT, said, wrong

GRPC = {**SILENT, "OTEL_TRACES_EXPORTER": "otlp"}
HTTP = {**GRPC, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


@contextmanager
def listening() -> Generator[int]:
    """A server that takes connections, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed_port() -> int:
    with listening() as port:
        return port


@contextmanager
def answering(status: int) -> Generator[int]:
    """An HTTP server that answers every request with one status, and its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("environ", [GRPC, HTTP], ids=["grpc", "http"])
@pytest.mark.parametrize("key", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_a_collector_that_refuses_connections_is_wrong(environ: dict[str, str], key: str) -> None:
    address = f"http://127.0.0.1:{closed_port()}/v1/traces"
    (sentence,) = wrong(collector.collector({**environ, key: address}))
    assert sentence.startswith("traces go to 127.0.0.1:")
    assert f"({key}={address})" in sentence
    assert "refuses connections" in sentence


def test_a_collector_that_answers_is_fine_and_signals_that_share_it_are_one_finding() -> None:
    everything = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp_proto_grpc",
    }
    with listening() as port:
        found = list(collector.collector({**everything, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}))
    assert [finding.level for finding in found] == [Level.OK]
    assert "traces and metrics and logs" in found[0].sentence


def test_a_signal_with_an_endpoint_of_its_own_is_tried_there() -> None:
    with listening() as port:
        environ = {
            **GRPC,
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{closed_port()}",
        }
        (sentence,) = wrong(collector.collector(environ))
    assert sentence.startswith("metrics go to ")


@pytest.mark.parametrize(("protocol", "port"), [("grpc", 4317), ("http/protobuf", 4318)])
def test_without_an_endpoint_the_default_of_the_protocol_is_tried(
    monkeypatch: pytest.MonkeyPatch, protocol: str, port: int
) -> None:
    tried: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], timeout: float) -> None:
        assert 0 < timeout <= 5
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert wrong(collector.collector({**GRPC, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}))
    assert tried == [("localhost", port)]


def test_nothing_is_tried_where_nothing_is_sent_over_otlp() -> None:
    assert list(collector.collector(SILENT)) == []
    assert list(collector.collector({**GRPC, "OTEL_SDK_DISABLED": "true"})) == []
    assert list(collector.collector({**GRPC, "OTEL_CONFIG_FILE": "sdk.yaml"})) == []


@pytest.mark.parametrize("address", ["unix:///run/collector.sock", "dns:///collector:4317"])
def test_an_address_of_another_kind_is_left_to_the_exporter(address: str) -> None:
    assert list(collector.collector({**GRPC, "OTEL_EXPORTER_OTLP_ENDPOINT": address})) == []


def test_a_server_without_tls_is_wrong_where_tls_is_asked_for() -> None:
    with answering(200) as port:
        (sentence,) = wrong(collector.collector({**GRPC, "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://127.0.0.1:{port}"}))
        assert "does not speak TLS" in sentence
        # Without a scheme gRPC uses TLS, unless it is told that it need not.
        bare = {**GRPC, "OTEL_EXPORTER_OTLP_ENDPOINT": f"127.0.0.1:{port}"}
        assert "does not speak TLS" in wrong(collector.collector(bare))[0]
        assert wrong(collector.collector({**bare, "OTEL_EXPORTER_OTLP_INSECURE": "true"})) == []


def test_a_certificate_that_is_not_trusted_is_wrong_and_one_that_is_named_is_fine(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as plain, context.wrap_socket(plain, server_side=True) as server:

        def accept() -> None:
            for _ in range(2):
                try:
                    server.accept()[0].close()
                except OSError:
                    continue

        threading.Thread(target=accept, daemon=True).start()
        environ = {**HTTP, "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://127.0.0.1:{server.getsockname()[1]}"}
        (sentence,) = wrong(collector.collector(environ))
        assert "certificate that is not trusted" in sentence
        trusted = {**environ, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(certificate)}
        assert wrong(collector.collector(trusted)) == []


@pytest.mark.parametrize(
    ("environ", "part"),
    [
        ({**HTTP, "OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, "must begin with http:// or https://"),
        ({**HTTP, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318"}, "add /v1/traces"),
        ({**GRPC, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:99999"}, "no port that exists"),
        (
            {
                **GRPC,
                "OTEL_EXPORTER_OTLP_ENDPOINT": "https://localhost",
                "OTEL_EXPORTER_OTLP_CERTIFICATE": "/no/file.pem",
            },
            "OTEL_EXPORTER_OTLP_CERTIFICATE=/no/file.pem is no file",
        ),
    ],
)
def test_an_address_that_cannot_work_is_wrong_whatever_listens_there(environ: dict[str, str], part: str) -> None:
    (sentence,) = wrong(collector.collector(environ))
    assert part in sentence


def test_what_goes_through_a_proxy_is_not_tried_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "localhost")
    address = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example:4318"}
    assert list(collector.collector({**HTTP, **address})) == []


@pytest.mark.parametrize(("status", "refused"), [(200, False), (401, True), (404, True)])
def test_an_empty_request_shows_whether_traces_are_accepted(
    monkeypatch: pytest.MonkeyPatch, status: int, refused: bool
) -> None:
    with answering(status) as port:
        for key, value in HTTP.items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        assert (str(status) in probe.refusal()) is refused


def test_grpc_on_a_port_that_speaks_http_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200) as port:
        for key, value in GRPC.items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setattr(probe, "EXPORT_TIMEOUT_S", 1)
        refusal = probe.refusal()
    # The exporter tries again until its time is up: on a busy machine the last try may still be under way.
    assert "UNAVAILABLE" in refusal or "DEADLINE_EXCEEDED" in refusal


def test_a_collector_that_takes_the_connection_is_named_with_what_goes_there() -> None:
    with listening() as port:
        told = said(collector.collector({**GRPC, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}))
    assert told == (
        f"something answers at 127.0.0.1:{port}, where traces go (OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{port})"
    )
