from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from otel_agentperf.baselines import fetching
from otel_agentperf.baselines.portable import UnreadableError

SIZE = 1000


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * SIZE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        del format, args


@pytest.fixture
def address() -> Iterator[str]:
    """Something that answers with `SIZE` bytes."""
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("most", [SIZE, SIZE + 1])
def test_an_answer_of_the_most_is_read_whole(most: int, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_MOST_BYTES", most)
    assert fetching.fetched(address) == b"x" * SIZE


def test_an_answer_that_is_too_large_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_MOST_BYTES", SIZE - 1)
    with pytest.raises(UnreadableError, match=f"{address} is larger than"):
        fetching.fetched(address)
