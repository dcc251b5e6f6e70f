"""Baselines that tests make up."""

from __future__ import annotations

import math
from random import Random

from otel_agentperf.baselines.normals import Subject, SubjectKind
from otel_agentperf.baselines.tally import Tally, Values, named

TODAY = 20_000
PLAN = named(SubjectKind.NODE, "plan", "research")
WRITE = named(SubjectKind.NODE, "write", "research")
MODEL_AT_PLAN = named(SubjectKind.NODE_MODEL, "gemini-2.5-pro", "research", "plan")
SUBJECTS = (PLAN, WRITE, MODEL_AT_PLAN)


def once(duration_s: float = 1.0, *, succeeded: bool = True, cost_usd: float = 0.01, tokens: int = 1_000) -> Values:
    """One execution."""
    return Values(succeeded, round(duration_s * 1e9), round(cost_usd * 1e12), tokens, tokens // 10)


def tally_of(*seen: tuple[Subject, int, Values]) -> Tally:
    """A baseline of single executions, each with its day."""
    tally = Tally()
    for subject, day, values in seen:
        tally.add(day, [(subject, values)])
    return tally


def made_up(seed: int, executions: int = 50, days: int = 5) -> Tally:
    """A baseline of a few subjects over some days."""
    random = Random(seed)  # noqa: S311 - made-up figures
    tally = Tally()
    for _ in range(executions):
        duration_s = math.exp(random.gauss(0, 1))
        values = once(duration_s, succeeded=random.random() < 0.9, cost_usd=random.random() / 100)
        tally.add(TODAY - random.randrange(days), [(random.choice(SUBJECTS), values)])
    return tally
