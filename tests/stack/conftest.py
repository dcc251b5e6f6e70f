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
