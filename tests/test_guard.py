from __future__ import annotations

import logging

import pytest

from otel_agentperf import guard


def broken() -> int:
    raise ValueError("canary prompt text")


def test_an_error_is_swallowed_counted_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    guarded = guard.guarded("test.site", -1)(broken)
    with caplog.at_level(logging.DEBUG, "otel_agentperf"):
        assert [guarded(), guarded(), guarded()] == [-1, -1, -1]
    assert guard.error_counts() == {"test.site": 3}
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert "test.site" in message
    assert "ValueError" in message
    assert "test_guard.py" in message
    assert "canary" not in caplog.text


def test_under_pytest_an_error_is_raised_again() -> None:
    with pytest.raises(ValueError, match="canary"):
        guard.guarded("test.site", -1)(broken)()


def test_what_is_no_error_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")

    @guard.guarded("test.site", None)
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
