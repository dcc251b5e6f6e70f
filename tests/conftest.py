"""What holds for every test: a clean environment, no open errors of ours, no network but loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from otel_agentperf import guard

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no defect
hypothesis.settings.load_profile("untimed")
FOREIGN_SETTINGS = ("AGENTPERF_", "GEMINI_", "GOOGLE_", "LANGCHAIN_", "LANGSMITH_", "OTEL_")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith(FOREIGN_SETTINGS):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_guarded_error_is_left_over() -> Iterator[None]:
    """What one test made the guard count is not seen by the next."""
    guard.reset()
    yield
    guard.reset()


@pytest.fixture(autouse=True, scope="session")
def no_network_but_loopback() -> Iterator[None]:
    """A connection that would leave this machine fails, and names where it wanted to go."""
    connect = socket.socket.connect

    def connect_on_loopback(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(str(address[0])):
            raise ConnectionRefusedError(f"tests stay on this machine, and this one wanted to reach {address!r}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_on_loopback)
        yield


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")
