"""Free ports, questions to servers on loopback, and waiting for an answer without sleeping blindly."""

from __future__ import annotations

import json
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import pytest

POLL_S = 0.1
_given_ports: set[int] = set()

Answer = TypeVar("Answer")


class Watched(Protocol):
    """A server whose death ends the wait, and whose log is shown."""

    name: str

    @property
    def has_died(self) -> bool:
        """Ended without being told to."""
        ...

    def log_tail(self) -> str:
        """The end of its log under a heading."""
        ...


def free_port() -> int:
    """A port of loopback that nothing listens on, and that was given to nobody before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given_ports:
            _given_ports.add(port)
            return port


def fetch(url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> str:
    """What a server on loopback answers; raises as urllib does."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))  # noqa: S310 - http on loopback
    with direct.open(request, timeout=10) as answer:
        return answer.read().decode()


def fetch_json(url: str, **query: str | float) -> Any:
    """The JSON that a server on loopback answers; raises as urllib does."""
    return json.loads(fetch(f"{url}?{urllib.parse.urlencode(query)}" if query else url))


def until(
    ask: Callable[[], Answer],
    *,
    what: str,
    timeout_s: float = 60.0,
    servers: Iterable[Watched] = (),
    good: Callable[[Answer], object] = bool,
) -> Answer:
    """Ask until the answer is good, and return it; an error of the connection or of JSON is no answer yet.

    Fails, with the last answer and the end of these servers' logs, when the time is up or one of them has died.
    """
    end, last = time.monotonic() + timeout_s, "nothing"
    watched = tuple(servers)
    while True:
        try:
            answer = ask()
            if good(answer):
                return answer
            last = repr(answer)[:2_000]
        except (OSError, ValueError) as error:
            last = repr(error)
        dead = [server.name for server in watched if server.has_died]
        if dead or time.monotonic() > end:
            why = f"{', '.join(dead)} died" if dead else f"not within {timeout_s:g} s"
            logs = "".join(server.log_tail() for server in watched)
            pytest.fail(f"{what}: {why}; the last answer was {last}{logs}", pytrace=False)
        time.sleep(POLL_S)
