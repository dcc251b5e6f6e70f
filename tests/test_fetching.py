from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from otel_agentperf.fetching import FetchError, _Redirects, fetch, shown  # pyright: ignore[reportPrivateUsage]

SECRETS = {"Authorization": "Bearer s3cret-token", "X-Scope-OrgID": "tenant-7"}
Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(answer: Answer) -> Generator[tuple[str, list[dict[str, str]]]]:
    """Something that answers over HTTP; its address and the headers of each request."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", seen
        running.shutdown()


def says(body: bytes, status: int = 200) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def leads_to(address: Callable[[], str], status: int = 302) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Location", address())
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def fetched(url: str, **more: Any) -> bytes:
    bounds: dict[str, Any] = {"most_bytes": 1_000, "timeout_s": 5.0, **more}
    return fetch(url, SECRETS, **bounds)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_port_gets_no_header(status: int) -> None:
    with server(says(b"hello")) as (other, seen), server(leads_to(lambda: f"{other}/x", status)) as (first, asked):
        assert fetched(first) == b"hello"
    assert asked[0]["authorization"] == SECRETS["Authorization"]
    assert {"authorization", "x-scope-orgid"}.isdisjoint(seen[0])


def test_a_redirect_back_to_the_first_origin_over_another_one_gets_no_header_either() -> None:
    """The other one chose the address."""
    with (
        server(
            lambda request: leads_to(lambda: f"{other}/b")(request) if request.path == "/a" else says(b"x")(request)
        ) as (
            first,
            seen,
        ),
        server(leads_to(lambda: f"{first}/c")) as (other, _),
    ):
        assert fetched(f"{first}/a") == b"x"
    assert "authorization" not in seen[1]


def test_a_redirect_within_the_origin_keeps_the_headers() -> None:
    with server(lambda request: leads_to(lambda: "/b")(request) if request.path == "/a" else says(b"x")(request)) as (
        address,
        seen,
    ):
        assert fetched(f"{address}/a") == b"x"
    assert [one["x-scope-orgid"] for one in seen] == ["tenant-7", "tenant-7"]


def test_a_login_in_the_address_is_sent_to_that_origin_and_shown_nowhere() -> None:
    with server(says(b"who is dXNlcjpwYSRz?", 401)) as (address, seen), pytest.raises(FetchError) as caught:
        fetch(address.replace("://", "://user:pa$s@") + "/x?sig=abc", most_bytes=10, timeout_s=5)
    assert seen[0]["authorization"] == "Basic dXNlcjpwYSRz"
    assert str(caught.value) == f"{address}/x: HTTP 401 Unauthorized: who is ***?"


def test_an_error_is_shown_without_what_was_sent_as_a_header() -> None:
    with server(says(b"no tenant-7 for s3cret-token", 403)) as (address, _), pytest.raises(FetchError) as caught:
        fetched(address)
    assert str(caught.value) == f"{address}: HTTP 403 Forbidden: no *** for ***"
    assert caught.value.status == 403


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "gopher://x"])
def test_only_http_and_https_are_followed(target: str) -> None:
    with server(leads_to(lambda: target)) as (address, _), pytest.raises(FetchError):
        fetched(address)
    with pytest.raises(FetchError, match="only http and https are followed"):
        fetched(target)


def test_https_never_falls_to_http() -> None:
    handler = _Redirects("https://a", {}, time.monotonic() + 60)
    request = urllib.request.Request("https://a/x")
    with pytest.raises(ValueError, match="from https to http"):
        handler.redirect_request(request, None, 302, "Found", None, "http://a/x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_an_endless_chain_of_redirects_ends() -> None:
    count = iter(range(1_000))
    with server(leads_to(lambda: f"/{next(count)}")) as (address, seen), pytest.raises(FetchError):
        fetched(address)
    assert len(seen) <= 7


@pytest.mark.parametrize("most", [5, 6])
def test_an_answer_of_the_most_is_read_whole(most: int) -> None:
    with server(says(b"hello")) as (address, _):
        assert fetched(address, most_bytes=most) == b"hello"


def test_an_answer_that_is_too_large_is_refused() -> None:
    with server(says(b"hello")) as (address, _), pytest.raises(FetchError, match="larger than"):
        fetched(address, most_bytes=4)


def test_an_answer_that_never_ends_is_left_at_the_deadline() -> None:
    def trickles(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(100):
            try:
                request.wfile.write(b"x")
                request.wfile.flush()
            except OSError:
                return
            time.sleep(0.05)

    began = time.monotonic()
    with server(trickles) as (address, _), pytest.raises(FetchError, match="did not end in time"):
        fetched(address, timeout_s=0.3)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://u:p@host:8443/a?X-Amz-Signature=1#f", "https://host:8443/a"),
        ("http://host/a", "http://host/a"),
    ],
)
def test_an_address_is_shown_without_login_query_and_fragment(address: str, expected: str) -> None:
    assert shown(address) == expected
