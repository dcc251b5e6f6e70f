"""RES004 descriptor_leak

What it finds: a process that has more files, sockets and pipes open after each run than after the
one before.

Why it costs: at the limit, which is often 1,024, the next connection or file fails, and with it
whatever run asks for it first.

Example: from 48 to 310 open descriptors over 60 runs, some 6 a run; 1,024 are allowed.

Instead: make clients once and not in each node, close them (`with`, `async with`, `aclose`), and
close browsers, temporary files and subprocesses also where a run fails.

Limits: it needs samples (`AGENTPERF_SAMPLE_INTERVAL`). Growth is told from the floor of the last
60 runs, which has to rise steadily: a pool that fills up to its size rises and stops, and is silent
once it has. A service of several processes, replayed from a file, shows a leak only where all leak.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from otel_agentperf.model import Complexity, Level, Operation, Suggestion
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View
from otel_agentperf.rules.resources.growth import Grown, Series

REFERENCE_IMPACT = 0.7
ALARM_SHARE = 0.8
"""Of the limit."""
MAX_SPANS = 8


class _State(msgspec.Struct, gc=False):
    files: Series = msgspec.field(default_factory=Series)
    limit: int = 0
    """The least one that was seen; 0 is none."""


class DescriptorLeak(Rule[_State]):
    """Growth of the open descriptors from run to run.

    An alarm from 80 % of the limit on. Impact: 0.7, rising with the share of the limit that is
    open to 1.0.
    """

    code = "RES004"
    name = "descriptor_leak"
    group = Group.RESOURCES
    scope = Scope.PROCESS
    watches = frozenset()
    complexity = Complexity.LOW
    options = {
        "min_growth": Option(20, "descriptors", "The least growth that is worth a word.", 1),
        "min_runs": Option(12, "runs", "Fewest runs over which growth is judged.", 3, 60),
    }
    min_growth: int
    min_runs: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        used = root.resources
        if used is None or used.open_files is None:
            return ()
        state.files.add(root.end_ns, root.span_id, used.open_files)
        state.limit = _least(state.limit, used.open_files_limit or 0)
        return self.judge(state, view)

    def merge(self, state: _State, other: _State) -> _State:
        state.files.merge(other.files)
        state.limit = _least(state.limit, other.limit)
        return state

    def judge(self, state: _State, view: View) -> Iterable[Suggestion]:
        grown = state.files.grown(self.min_runs)
        if grown is None or grown.now - grown.before < self.min_growth:
            return ()
        return (self._suggestion(grown, state.limit),)

    def _suggestion(self, grown: Grown, limit: int) -> Suggestion:
        share = min(1.0, grown.now / limit) if limit else 0.0
        allowed = f"; {limit:,} are allowed" if limit else ""
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if share >= ALARM_SHARE else Level.NOTICE,
            description=(
                f"This process went from {grown.before:,} to {grown.now:,} open descriptors over {grown.runs} runs, "
                f"{grown.a_run:.1f} a run{allowed}. Make clients once, and close files, clients and browsers also "
                "where a run fails."
            ),
            impact_score=round(REFERENCE_IMPACT + (1 - REFERENCE_IMPACT) * share, 3),
            complexity=self.complexity,
            confidence=0.8,
            applies_to=("process:descriptors",),
            span_ids=grown.span_ids[:MAX_SPANS],
            evidence={
                "runs": grown.runs,
                "before": grown.before,
                "now": grown.now,
                "a_run": round(grown.a_run, 2),
                **({"limit": limit} if limit else {}),
            },
        )


def _least(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other
