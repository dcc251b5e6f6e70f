from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from otel_agentperf import config
from otel_agentperf.replay import backends, foreign
from otel_agentperf.replay.backends import BackendError, Filter
from otel_agentperf.replay.local import LocalEngine
from otel_agentperf.replay.outcome import Outcome
from otel_agentperf.replay.places import LineNumbers
from otel_agentperf.replay.replay import replay
from otel_agentperf.replay.troubles import TroubleTeller
from tests.replay.forms import Request, as_tempo, as_tempo_v2, jaeger_traces
from tests.replay.replaying import made_up, spans_in, told

REQUESTS = made_up(6)
WANTED = Filter(since_s=1_000.5, until_s=2_000.5, limit=7)
Answer = Callable[[str, dict[str, list[str]]], tuple[int, bytes] | None]


def by_trace(requests: Iterable[Request]) -> dict[str, list[Request]]:
    traces: dict[str, list[Request]] = {}
    for resource, scope, span in spans_in(requests):
        one = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": scope}, "spans": [span]}]}]}
        traces.setdefault(span["traceId"], []).append(one)
    return traces


@contextmanager
def backend(answer: Answer) -> Generator[tuple[str, list[tuple[str, dict[str, list[str]], Any]]]]:
    """A server on loopback; its address, and what it was asked."""
    asked: list[tuple[str, dict[str, list[str]], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            asked.append((parts.path, query, dict(self.headers)))
            status, body = answer(parts.path, query) or (404, b"no such thing")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def tempo(path: str, query: dict[str, list[str]], *, version: int = 1) -> tuple[int, bytes] | None:
    traces = by_trace(REQUESTS)
    if path == "/api/echo":
        return 200, b"echo"
    if path == "/api/search":
        found = [{"traceID": trace_id, "rootServiceName": "x"} for trace_id in traces]
        return 200, json.dumps({"traces": found[: int(query["limit"][0])], "metrics": {}}).encode()
    prefix = "/api/traces/" if version == 1 else "/api/v2/traces/"
    if path.startswith(prefix):
        form = as_tempo if version == 1 else as_tempo_v2
        return 200, form(traces[path.removeprefix(prefix)])
    return None


def jaeger(path: str, query: dict[str, list[str]]) -> tuple[int, bytes] | None:
    traces = jaeger_traces(REQUESTS)
    if path == "/api/services":
        names = {process for trace in traces for process in trace["processes"]}
        return 200, json.dumps({"data": sorted(names)}).encode()
    if path == "/api/traces":
        mine = [trace for trace in traces if query["service"][0] in trace["processes"]]
        return 200, json.dumps({"data": mine}).encode()
    if path.startswith("/api/traces/"):
        return 200, json.dumps({"data": [t for t in traces if path.endswith(t["traceID"])]}).encode()
    return None


def report_from(name: str, wanted: Filter = WANTED) -> Any:
    found = backends.source(name, wanted)
    outcome = replay([found], config.load({}), LocalEngine(1))
    assert not outcome.sums.troubles.count, outcome.sums.troubles
    return told(outcome)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("prefix", ["", "tempo+"])
def test_tempo_is_asked_with_traceql_and_then_trace_by_trace(version: int, prefix: str) -> None:
    with backend(lambda path, query: tempo(path, query, version=version)) as (address, asked):
        report = report_from(prefix + address)
    assert report["figures"]["runs"] == 6
    (search,) = [query for path, query, _ in asked if path == "/api/search"]
    assert search["start"] == ["1000"]
    assert search["end"] == ["2001"]
    assert search["limit"] == ["7"]
    assert search["q"][0].startswith("{ span.")
    assert {"span.gen_ai.operation.name != nil", "span.openinference.span.kind != nil"} <= set(
        search["q"][0].strip("{ }").split(" || ")
    )
    assert ("/api/echo" in {path for path, _, _ in asked}) is (not prefix)


@pytest.mark.parametrize(
    ("wanted", "traceql"),
    [
        (Filter(0, 1, query='{ .shop = "a" } | count() > 2'), '{ .shop = "a" } | count() > 2'),
        (Filter(0, 1, service='the "shop"'), '{ resource.service.name = "the \\"shop\\"" && ('),
    ],
)
def test_tempo_is_asked_for_what_the_user_wants(wanted: Filter, traceql: str) -> None:
    with backend(tempo) as (address, asked):
        backends.source(address, wanted)
    (search,) = [query for path, query, _ in asked if path == "/api/search"]
    assert search["q"][0].startswith(traceql)


@pytest.mark.parametrize("prefix", ["", "jaeger+"])
def test_jaeger_is_asked_service_by_service_and_a_trace_of_two_counts_once(prefix: str) -> None:
    with backend(jaeger) as (address, asked):
        report = report_from(prefix + address + "/")
    assert report["figures"]["runs"] == 6
    queries = [query for path, query, _ in asked if path == "/api/traces"]
    assert sorted(query["service"][0] for query in queries) == ["planner", "recorder"]
    assert queries[0]["start"] == ["1000500000"]
    assert queries[0]["end"] == ["2000500000"]
    assert queries[0]["limit"] == ["7"]


def test_jaeger_is_asked_for_one_service_where_one_is_named() -> None:
    with backend(jaeger) as (address, _):
        assert report_from(address, Filter(0, 1, service="recorder"))["figures"]["runs"] == 2


@pytest.mark.parametrize(
    ("answer", "path"), [(jaeger, "/trace/{}"), (jaeger, "/api/traces/{}"), (tempo, "/api/traces/{}")]
)
def test_the_address_of_one_trace_is_that_trace(answer: Answer, path: str) -> None:
    trace_id = next(iter(by_trace(REQUESTS)))
    with backend(answer) as (address, _):
        assert report_from(address + path.format(trace_id))["figures"]["runs"] == 1


def test_headers_are_sent_with_every_request() -> None:
    with backend(tempo) as (address, asked):
        report_from(address, Filter(0, 1, headers={"Authorization": "Bearer secret"}))
    assert {headers["Authorization"] for _, _, headers in asked} == {"Bearer secret"}


NEITHER = "is neither Tempo nor Jaeger"


def empty(path: str, query: dict[str, list[str]]) -> tuple[int, bytes] | None:
    del query
    return (200, b'{"traces":null}') if path == "/api/search" else (200, b"echo")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        pytest.param({"/api/echo": (200, b"<html>"), "/api/services": (200, b"<html>")}, NEITHER, id="a page"),
        pytest.param({}, NEITHER, id="nothing"),
        pytest.param(
            {"/api/echo": (200, b"echo"), "/api/search": (200, b"no")},
            "the answer is not what was asked for",
            id="no JSON",
        ),
        pytest.param(
            {"/api/echo": (200, b"echo"), "/api/search": (400, b"invalid TraceQL query")},
            "HTTP 400 Bad Request: invalid TraceQL query",
            id="a refusal",
        ),
    ],
)
def test_an_answer_that_is_none_is_told(answers: dict[str, tuple[int, bytes]], said: str) -> None:
    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, bytes] | None:
        del query
        return answers.get(path)

    with backend(answer) as (address, _), pytest.raises(BackendError, match=said):
        backends.source(address, WANTED)


def test_a_backend_without_traces_holds_nothing() -> None:
    with backend(empty) as (address, _):
        assert backends.source(address, WANTED).pieces == ()


def test_nobody_there_is_told() -> None:
    with backend(tempo) as (address, _):
        pass
    with pytest.raises(BackendError, match="Connection refused"):
        backends.source(address, WANTED)


def test_a_login_in_an_address_is_sent_and_shown_nowhere() -> None:
    with backend(tempo) as (address, asked):
        found = backends.source(address.replace("http://", "tempo+http://me:s%40cret@"), WANTED)
        outcome = replay([found], config.load({}), LocalEngine(1))
    assert outcome.sums.runs == 6
    assert {headers["Authorization"] for _, _, headers in asked} == {"Basic bWU6c0BjcmV0"}
    assert "cret" not in found.name
    assert "cret" not in "".join(piece.source for piece in found.pieces or ())


def test_a_trace_that_cannot_be_fetched_is_told_and_the_others_are_read() -> None:
    missing = next(iter(by_trace(REQUESTS)))

    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, bytes] | None:
        return (500, b"out of order") if path.endswith(missing) else tempo(path, query)

    with backend(answer) as (address, _):
        outcome = replay([backends.source(address, WANTED)], config.load({}), LocalEngine(1))
    (trouble,) = outcome.sums.troubles.kept
    assert "HTTP 500 Internal Server Error: out of order" in trouble.why
    assert outcome.sums.runs == 5


def always(body: bytes) -> Answer:
    """Give this answer to whatever is asked."""

    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, bytes]:
        del path, query
        return 200, body

    return answer


def replayed_from(address: str) -> tuple[Outcome, list[str]]:
    """Replay what is at an address; and the lines that were written on the way."""
    lines: list[str] = []
    teller = TroubleTeller(lines.append, LineNumbers())
    found = [backends.source(address, WANTED)]
    return replay(found, config.load({}), LocalEngine(1), on_troubles=teller.take), lines


@pytest.mark.parametrize("indent", [None, 1])
def test_a_stream_of_jaegers_third_interface_is_read(indent: int | None) -> None:
    body = "\n".join(json.dumps({"result": request}, indent=indent) for request in REQUESTS).encode()
    with backend(always(body)) as (address, _):
        outcome, lines = replayed_from(f"{address}/api/v3/traces?query.service_name=shop")
    assert (outcome.sums.runs, lines) == (6, [])


def test_an_answer_of_another_form_is_named_with_its_address() -> None:
    body = json.dumps([{"traceId": "1", "id": "2", "name": "chat", "timestamp": 5}]).encode()
    with backend(always(body)) as (address, _):
        outcome, lines = replayed_from(f"{address}/api/traces/1")
    assert lines == [f"{address}/api/traces/1: {foreign.ZIPKIN.described()}"]
    assert outcome.sums.spans == 0


@pytest.mark.parametrize(
    ("name", "is_backend"),
    [
        ("http://localhost:3200", True),
        ("https://tempo.example.com/tempo/", True),
        ("tempo+https://example.com", True),
        ("http://localhost:16686/trace/abc", True),
        ("https://example.com/traces.jsonl.gz", False),
        ("s3://bucket/traces", False),
        ("traces.jsonl", False),
        ("C:\\traces", False),
    ],
)
def test_addresses_of_backends_are_told_from_files(name: str, is_backend: bool) -> None:
    assert backends.is_backend(name) is is_backend
