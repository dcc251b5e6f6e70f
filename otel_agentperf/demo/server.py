"""A Gemini-compatible HTTP server on loopback, for the demo, the tests and benchmarks.

It speaks HTTP/1.1 with kept-alive connections, one thread each, and leaves every answer to a
`Responder`. It listens on 127.0.0.1 only, checks no key, and is no emulator of the models.

`python -m otel_agentperf.demo.server` runs it as a process that prints its URL and serves until
SIGTERM or SIGINT and, where its standard input is a pipe, no longer than its other end lives.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import stat
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self

from otel_agentperf.demo import replies
from otel_agentperf.demo.responders import LONG_WORDS, FailFirst, FixedResponder
from otel_agentperf.demo.script import RecordingScript
from otel_agentperf.demo.wire import GeminiRequest, Reply, ResponderLike, parse_request

_POLL_S = 0.05
"""How soon the accepting thread notices `stop`."""


class GeminiServer:
    """Serves Gemini's API from a responder while the `with` block runs.

    Args:
        responder: Answers each request; default a fixed small answer.
        speed: Divides every latency of the replies.
        port: 0 takes a free one.
        record: Keeps every request in `requests`; switch it off for long benchmarks.
    """

    def __init__(
        self,
        responder: ResponderLike | None = None,
        *,
        speed: float = 1.0,
        port: int = 0,
        record: bool = True,
    ) -> None:
        self.requests: list[GeminiRequest] = []
        self.responder: ResponderLike = FixedResponder() if responder is None else responder
        self._speed = speed
        self._record = record
        self._count = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listener = _Listener(("127.0.0.1", port), self)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(_POLL_S,), name="gemini-loopback", daemon=True
        )

    @property
    def base_url(self) -> str:
        """For `HttpOptions(base_url=...)` or `GOOGLE_GEMINI_BASE_URL`; no slash at the end."""
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    def start(self) -> Self:
        """Begin to serve, in threads of its own."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every connection and thread; replies that are waiting are dropped. Safe to call twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._thread.ident is not None:
            self._listener.shutdown()
            self._thread.join()
        self._listener.hang_up()
        self._listener.server_close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def answer(self, verb: str, target: str, headers: dict[str, str], content: bytes) -> Reply:
        """Record one request and have it answered; for the connections' threads."""
        with self._lock:
            self._count += 1
            number = self._count
        try:
            request = parse_request(number, verb, target, headers, content)
        except ValueError as error:
            return replies.error(400, str(error))
        if self._record:
            self.requests.append(request)
        try:
            return self.responder(request)
        except Exception as error:  # noqa: BLE001 - a wrong responder must show in the client, not hang it
            return replies.error(500, f"the responder raised {error!r}")

    def wait(self, seconds: float) -> None:
        """Let a reply's latency pass, or less when the server stops."""
        if seconds > 0:
            self._stopping.wait(seconds / self._speed)


class _Listener(HTTPServer):
    """Accepts connections and knows each one's thread, so that a stop leaves none behind."""

    request_queue_size = 256

    def __init__(self, address: tuple[str, int], gemini: GeminiServer) -> None:
        self.gemini = gemini
        self._open: dict[threading.Thread, socket.socket] = {}
        self._open_lock = threading.Lock()
        super().__init__(address, _Connection)

    def server_bind(self) -> None:
        """Bind without the reverse look-up of the host's name that `HTTPServer` makes."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self._converse, args=(request, client_address), name="gemini-loopback-connection", daemon=True
        )
        with self._open_lock:
            self._open[thread] = request
        thread.start()

    def _converse(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client left
        finally:
            with self._open_lock:
                del self._open[threading.current_thread()]
            self.shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections, also those that wait for another request, and their threads."""
        with self._open_lock:
            ending = dict(self._open)
            for connection in ending.values():
                with contextlib.suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in ending:
            thread.join()


class _Connection(BaseHTTPRequestHandler):
    """Reads requests from one connection and writes the replies."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet
    server: _Listener  # pyright: ignore[reportIncompatibleVariableOverride]

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.gemini.answer(self.command, self.path, headers, content)
        self.server.gemini.wait(reply.latency_s)
        if reply.events is not None and reply.status < 400:  # noqa: PLR2004 - errors have a body
            self._send_events(reply, reply.events)
        elif reply.cut:
            self.close_connection = True
        else:
            self._send_body(reply)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class looks these names up

    def _send_body(self, reply: Reply) -> None:
        content = json.dumps({} if reply.body is None else reply.body).encode()
        self._send_head(reply, "application/json; charset=UTF-8", {"Content-Length": str(len(content))})
        self.wfile.write(content)

    def _send_events(self, reply: Reply, events: tuple[str, ...]) -> None:
        self._send_head(reply, "text/event-stream", {"Transfer-Encoding": "chunked"})
        for place, event in enumerate(events):
            if place:
                self.server.gemini.wait(reply.between_s)
            content = event.encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))
            self.wfile.flush()
        if reply.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, reply: Reply, content_type: str, headers: dict[str, str]) -> None:
        self.send_response(reply.status)
        for name, value in {"Content-Type": content_type, **headers, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: the requests are in `GeminiServer.requests`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server as a process: print its URL and serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m otel_agentperf.demo.server", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--speed", type=float, default=1.0, help="divides every latency")
    parser.add_argument("--fail", default="", help="statuses of the first replies, such as 429,503")
    parser.add_argument("--responder", choices=("demo", "fixed", "long"), default="demo")
    given = parser.parse_args(arguments)
    responders: dict[str, ResponderLike] = {
        "demo": RecordingScript(),
        "fixed": FixedResponder(),
        "long": FixedResponder(LONG_WORDS),
    }
    responder = responders[given.responder]
    if given.fail:
        responder = FailFirst([int(status) for status in given.fail.split(",")], responder, retry_after_s=1)
    with GeminiServer(responder, speed=given.speed, port=given.port, record=False) as server:
        over = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: over.set())
        if stat.S_ISFIFO(os.fstat(0).st_mode):
            threading.Thread(target=_drain_stdin, args=(over,), daemon=True).start()
        print(server.base_url, flush=True)  # noqa: T201 - the caller reads it
        over.wait()


def _drain_stdin(over: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    over.set()


if __name__ == "__main__":
    main()
