"""What holds for every test of LangGraph's spans: not a word on stderr, not a warning in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is printed and nothing logged from WARNING on; a test that expects it clears `caplog`."""
    yield
    printed = capfd.readouterr()
    assert not printed.err, printed.err
    loud = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    assert not loud, loud
