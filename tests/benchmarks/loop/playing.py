"""Plays the arms: each in a forked process of its own, which has not seen what another one learned.

This process imports everything once, with the model's clock in place, and starts no thread. A seed begins
with the scenario's first runs, in which nothing is advised and much is learned; a day later each arm
begins with a copy of what was learned.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from google import genai
from google.genai import types
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import otel_agentperf
from otel_agentperf import config, guard
from otel_agentperf.live import in_process
from otel_agentperf.live.learning import Learner
from tests.benchmarks.loop import arms, waiting
from tests.benchmarks.loop.clock import Clock
from tests.benchmarks.loop.draws import Draws
from tests.benchmarks.loop.model import Model, Scenario
from tests.benchmarks.loop.world import World

DAY_S = 86_400.0
BETWEEN_S = 20.0
"""From the end of a run to the beginning of the next."""
LEARNING_RUNS = 1_000_000
"""Added to the number of a learning run, so that its luck is its own."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """What one process plays: a scenario's first runs, or those of an arm."""

    facts: Model
    name: str
    seed: int
    arm: str = "without"
    learning: bool = False
    runs: int = 0
    """Instead of the scenario's number."""
    store: str = ""
    limit_usd: float = 0.0

    @property
    def scenario(self) -> Scenario:
        """The scenario's facts."""
        return self.facts.scenarios[self.name]


def play_all(
    clock: Clock, facts: Model, asked: Sequence[tuple[str, int]], arms_asked: Sequence[str], runs: int, jobs: int
) -> list[Row]:
    """Every run of every scenario, seed and arm, in `jobs` processes at a time."""
    waiting.install()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"rows-{job}.jsonl" for job in range(jobs)]
        pids = [
            _fork(lambda job=job, file=file: _share(clock, facts, asked[job::jobs], arms_asked, runs, file))
            for job, file in enumerate(files)
        ]
        if any(os.waitpid(pid, 0)[1] for pid in pids):
            raise SystemExit("a part of the benchmark failed; its error stands above")
        rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    order = {pair: place for place, pair in enumerate(asked)}
    return sorted(rows, key=lambda row: order[row["scenario"], row["seed"]])


def _share(
    clock: Clock, facts: Model, asked: Sequence[tuple[str, int]], arms_asked: Sequence[str], runs: int, file: Path
) -> None:
    for name, seed in asked:
        with file.open("a", encoding="utf-8") as output, tempfile.TemporaryDirectory() as folder:
            for row in _seed(clock, facts, Path(folder), name, seed, arms_asked, runs):
                output.write(json.dumps(row) + "\n")
        print(f"{name}, seed {seed}: played", file=sys.stderr, flush=True)


def _seed(
    clock: Clock, facts: Model, folder: Path, name: str, seed: int, arms_asked: Sequence[str], runs: int
) -> Iterator[Row]:
    """The learning runs of a seed, and each arm after them."""
    learned = folder / "learned.sqlite"
    before = _forked(clock, Part(facts, name, seed, learning=True, store=str(learned)), folder)
    limit_usd = facts.guard.times_mean_cost * fmean(row["cost_usd"] for row in before)
    clock.jump(DAY_S)
    for arm in arms_asked or facts.scenarios[name].arms:
        store = folder / arm / learned.name
        store.parent.mkdir()
        for file in folder.glob(f"{learned.name}*"):  # SQLite keeps what it wrote last in a file beside it
            shutil.copyfile(file, store.parent / file.name)
        part = Part(facts, name, seed, arm, runs=runs, store=str(store), limit_usd=limit_usd)
        for number, row in enumerate(_forked(clock, part, folder)):
            yield {"scenario": name, "seed": seed, "arm": arm, "run": number, **row}


def _forked(clock: Clock, part: Part, folder: Path) -> list[Row]:
    file = folder / "rows.json"
    pid = _fork(lambda: file.write_text(json.dumps(list(play(clock, part))), encoding="utf-8"))
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError(f"{part.name}, seed {part.seed}, {part.arm} failed")
    return json.loads(file.read_text(encoding="utf-8"))


def _fork(call: Callable[[], object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        call()
        status = 0
    except BaseException:  # noqa: BLE001 - it is printed, and the parent sees the status
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def play(clock: Clock, part: Part) -> Iterator[Row]:
    """The runs of one part, in this process."""
    learner = switch_on(part)
    with waiting.ImmediateServer(clock) as server:
        client = connect(server.base_url)
        runs = part.runs or part.scenario.runs
        for number in range(part.scenario.learn if part.learning else runs):
            drift = part.scenario.drift
            drifted = drift is not None and not part.learning and number >= drift.after * runs
            draws = Draws(part.seed, number + LEARNING_RUNS * part.learning)
            world = World(part.facts, part.scenario, draws, drifted)
            server.responder = world
            random.seed(repr(draws))  # the SDK's jitter between attempts
            began_s = clock.waited_s
            stopped = arms.run(part.arm, _program(clock, part, client, world))
            yield told(world, clock.waited_s - began_s, stopped)
            clock.jump(BETWEEN_S)
            learner.settle()  # its thread has had the time, which did not pass for it
        learner.close()
    if guard.error_counts():
        raise RuntimeError(f"errors of ours: {guard.error_counts()}")


def switch_on(part: Part) -> Learner:
    """Our telemetry, as a program does that sets the SDK up in code; spans go nowhere."""
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    apply: dict[str, Any] = {}
    if part.arm == "applied":
        cheaper = [model for model in part.scenario.allowed if model not in part.scenario.models.values()]
        apply = {step: {"models": cheaper, "timeout": True} for step in part.scenario.models}
    otel_agentperf.instrument(config.load(baseline_store=part.store, apply=apply))
    pipeline = in_process.current()
    if pipeline is None or pipeline.learner is None:
        raise RuntimeError("it does not learn")
    return pipeline.learner


def connect(url: str) -> genai.Client:
    """A client that asks again after a timeout or a busy server."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    retry = types.HttpRetryOptions(attempts=4, initial_delay=1.0, jitter=0.1)
    return genai.Client(api_key="loopback", http_options=types.HttpOptions(base_url=url, retry_options=retry))


def _program(clock: Clock, part: Part, client: genai.Client, world: World) -> arms.Program:
    task = part.facts.task

    def click(label: str) -> str:
        clock.sleep(task.click_s)
        return world.click(label)

    return arms.Program(
        client,
        _models(part, world.draws),
        part.scenario.allowed,
        task,
        click,
        check=lambda _: world.recorded,
        limit_usd=part.limit_usd,
    )


def _models(part: Part, draws: Draws) -> dict[str, str]:
    """Those of the scenario, or with one that the user tries instead."""
    models = dict(part.scenario.models)
    if part.learning and draws.uniform("explores") < part.scenario.explore:
        step = sorted(models)[int(draws.uniform("step") * len(models))]
        others = [one for one in part.scenario.allowed if one != models[step]]
        models[step] = others[int(draws.uniform("other") * len(others))]
    return models


def told(world: World, took_s: float, stopped: str) -> Row:
    """A run, as it is reported."""
    asked: dict[str, dict[str, int]] = {}
    for one in world.ledger:
        models = asked.setdefault(one.step, {})
        models[one.model] = models.get(one.model, 0) + 1
    return {
        "cost_usd": sum(one.cost_usd for one in world.ledger),
        "took_s": took_s,
        "success": world.recorded,
        "stopped": stopped,
        "ran_away": world.runs_away,
        "requests": len(world.ledger),
        "timed_out": sum(one.timed_out for one in world.ledger),
        "asked": asked,
    }
