"""The arms: the four agents as their user wrote them, with advice asked and followed, with a budget, with both.

`applied` is the first program unchanged, too: what differs is in its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from google import genai

import otel_agentperf
from tests.benchmarks.loop.advised import AdvisedTeam
from tests.benchmarks.loop.model import Task
from tests.benchmarks.loop.team import Team, build


@dataclass(frozen=True, slots=True)
class Program:
    """What a run is made with."""

    client: genai.Client
    models: Mapping[str, str]
    allowed: tuple[str, ...]
    task: Task
    click: Callable[[str], str]
    check: Callable[[str], bool]
    limit_usd: float


def run(arm: str, program: Program) -> str:
    """Make one run; return what stopped it, or nothing."""
    task = program.task
    team = (AdvisedTeam if arm in {"advised", "both"} else Team)(
        program.client, program.models, task.regions, program.click, program.check, task.max_turns, program.allowed
    )
    graph = build(team)
    state = {"task": "Record how to list the invoices."}
    if arm not in {"guarded", "both"}:
        graph.invoke(state, {"recursion_limit": 200})
        return ""
    try:
        with otel_agentperf.budget(usd=program.limit_usd):
            graph.invoke(state, {"recursion_limit": 200})
    except otel_agentperf.BudgetExceeded as stopped:
        return str(stopped.limit)
    return ""
