"""Servers for one test, or for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack.servers import Servers


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers that this test starts; all stop when it ends."""
    with Servers(tmp_path_factory.mktemp("servers")) as started:
        yield started


@pytest.fixture(scope="module")
def shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers that the tests of a module share."""
    with Servers(tmp_path_factory.mktemp("servers")) as started:
        yield started


class Figures(dict[str, str]):
    """What a test measured by the way and asserts nothing about; printed below the results of the tests."""


FIGURES = pytest.StashKey[Figures]()


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Where a test leaves its figures."""
    return request.config.stash.setdefault(FIGURES, Figures())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures."""
    if figures := config.stash.get(FIGURES, None):
        terminalreporter.section("figures")
        for name, figure in figures.items():
            terminalreporter.write_line(f"{name}: {figure}")
