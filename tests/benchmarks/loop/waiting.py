"""Patience in model time: what a client's timeout does where nothing really waits.

The server is told how long the client would wait; when the answer takes longer, that much time passes and
the client sees the `httpx.ReadTimeout` that it would have seen.
"""

from __future__ import annotations

from typing import Any

import httpx

from otel_agentperf.demo.server import GeminiServer
from tests.benchmarks.loop.clock import Clock
from tests.benchmarks.loop.world import TIMED_OUT, TIMEOUT_HEADER

_send = httpx.Client.send


def install() -> None:
    """Make every client of httpx tell its patience, and lose it."""

    def send(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        patience_s = request.extensions.get("timeout", {}).get("read")
        if patience_s is not None:
            request.headers[TIMEOUT_HEADER] = repr(float(patience_s))
            request.extensions = {
                **request.extensions,
                "timeout": {},
            }  # the real wait is short, or held up by other work
        response = _send(client, request, **options)
        if response.status_code == TIMED_OUT:
            raise httpx.ReadTimeout("The read operation timed out", request=request)
        return response

    httpx.Client.send = send  # pyright: ignore[reportAttributeAccessIssue] - what it is called with is handed on


class ImmediateServer(GeminiServer):
    """The loopback server, with waits that pass at once."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(record=False)
        self._clock = clock

    def wait(self, seconds: float) -> None:
        """Let model time pass."""
        self._clock.sleep(seconds)
