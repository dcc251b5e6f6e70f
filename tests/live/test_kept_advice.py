"""What came of advice outlives the process."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import otel_agentperf
from otel_agentperf import config
from otel_agentperf.baselines import portable
from otel_agentperf.baselines.advised import noted, total
from otel_agentperf.baselines.store import Store
from otel_agentperf.live.keeping import Keeper
from tests.baselines.made import TODAY
from tests.live.test_keeping import learner_of, settings
from tests.telemetry import Telemetry, observed
from tests.test_advise import FLASH, ask_model, know, trip

LEARNED = "model/learned"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "baseline.db"


def follow_advice(times: int = 1) -> list[otel_agentperf.Advice]:
    """Runs in which the model that is advised is asked, and does well."""
    said: list[otel_agentperf.Advice] = []

    def step() -> None:
        said.append(otel_agentperf.advise())
        ask_model(FLASH, seconds=1.0)

    for _ in range(times):
        trip(step).invoke({"seen": []})
    return said


def remembered(telemetry: Telemetry) -> float:
    """How often following the advice was right, as far as this process knows."""
    assert learner_of(telemetry)._keeper.advice_settled.wait(30)  # pyright: ignore[reportPrivateUsage]
    return telemetry.pipeline.advisor.followed.exported().get(LEARNED, {}).get("right", 0)


def kept(path: Path) -> float:
    return total(Store(path).advised).get(LEARNED, {}).get("right", 0)


def test_what_came_of_advice_corrects_the_confidence_of_the_next_process(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated: list[Mapping[str, Any]] = []
    for before in (0, 3):
        with observed(settings=settings(baseline_store=path)) as telemetry:
            know(telemetry, monkeypatch)
            assert remembered(telemetry) == before
            stated.append(follow_advice(3)[0].model.evidence)
            assert remembered(telemetry) == before + 3
        assert kept(path) == before + 3
    assert [evidence.get("advice_right") for evidence in stated] == [None, 3]
    assert total(Store(path).advised)[LEARNED]["cost_claims"] == 6


def test_earlier_advice_is_told_whether_it_is_read_before_or_after_someone_asks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with observed(settings=settings(baseline_store=path)) as telemetry:
        know(telemetry, monkeypatch)
        follow_advice(2)
    load_advice, may_read = Keeper.load_advice, threading.Event()

    def load_later(keeper: Keeper) -> Any:
        assert may_read.wait(30)
        return load_advice(keeper)

    monkeypatch.setattr(Keeper, "load_advice", load_later)
    with observed(settings=settings(baseline_store=path)) as telemetry:
        know(telemetry, monkeypatch)
        (first,) = follow_advice()
        may_read.set()
        assert remembered(telemetry) == 3
    assert "advice_right" not in first.model.evidence
    assert kept(path) == 3


def test_nothing_of_advice_is_made_where_nobody_asks_for_it(path: Path) -> None:
    Store(path).add([], TODAY, advised=noted(TODAY, {LEARNED: {"right": 2}}))
    with observed(settings=settings(baseline_store=path)) as telemetry:
        assert learner_of(telemetry)._keeper.advice_settled.wait(30)  # pyright: ignore[reportPrivateUsage]
        assert telemetry.pipeline._advisor is None  # pyright: ignore[reportPrivateUsage]


def test_a_process_that_learns_nothing_goes_by_the_store_and_adds_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with observed(settings=settings(baseline_store=path)) as telemetry:
        know(telemetry, monkeypatch)
        follow_advice()
    reading = config.Settings(fingerprint_key="test", metrics=False, learn=False, baseline_store=str(path))
    with observed(settings=reading) as telemetry:
        know(telemetry, monkeypatch)
        assert remembered(telemetry) == 1
        follow_advice()
    assert kept(path) == 1


def test_where_it_cannot_be_written_it_is_written_later_and_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.mkdir()
    with observed(settings=settings(baseline_store=path)) as telemetry:
        know(telemetry, monkeypatch)
        for _ in range(2):
            follow_advice()
            assert not learner_of(telemetry).flush()
        path.rmdir()
        for _ in range(2):
            assert learner_of(telemetry).flush()
            assert kept(path) == 2


def test_a_baseline_to_start_from_tells_what_came_of_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    central = tmp_path / "central.json.gz"
    central.write_bytes(portable.written([], noted(TODAY, {LEARNED: {"right": 5}})))
    with observed(settings=settings(baseline_from=central)) as telemetry:
        know(telemetry, monkeypatch)
        assert learner_of(telemetry)._keeper.base_settled.wait(30)  # pyright: ignore[reportPrivateUsage]
        assert follow_advice()[0].model.evidence["advice_right"] == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_parent_and_child_each_write_what_came_of_their_own_advice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with observed(settings=settings(baseline_store=path)) as telemetry:
        know(telemetry, monkeypatch)
        follow_advice(2)
        child = os.fork()
        if child == 0:
            try:
                follow_advice(3)
                learner_of(telemetry).close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert kept(path) == 3
    assert kept(path) == 5
