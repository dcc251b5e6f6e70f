"""RES002 memory_pressure

What it finds: runs during which nearly all memory was in use, of the host or of what the container
may use; and a process that holds more memory after each run than after the one before.

Why it costs: where memory ends, the kernel kills the process with every run in it, and before that
caches go and everything reads from disks. What grows with every run gets there in time.

Example: on average 91 % of the memory was in use in the worst of 3 such runs of `research`. Or: this
process grew from 310 MiB to 620 MiB over 60 runs, some 8 MiB a run.

Instead: do not keep whole documents, pages or screenshots in the state of a graph or in globals,
bound caches and checkpoints in memory, close browsers and clients; or give it more memory.

Limits: it needs samples (`AGENTPERF_SAMPLE_INTERVAL`). Whoever else used memory is in the first
finding. Growth is told from the floor of the last 60 runs, which has to rise steadily: a leak
behind great ups and downs is missed, and a service of several processes, replayed from a file,
shows growth only where all of them grow. A cache that fills up for the first time looks like a leak.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from otel_agentperf.model import Complexity, Level, Operation, Suggestion
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View
from otel_agentperf.rules.bounded import MAX_PROCESS_TARGETS, Table
from otel_agentperf.rules.resources.growth import Grown, Series

MIB = 2**20
REFERENCE_IMPACT = 0.7
ALARM_PERCENT = 95.0
DOUBLED = 100.0
MAX_SPANS = 8
_ALL = 100.0


class _Graph(msgspec.Struct, gc=False):
    """The runs of one graph that were pressed."""

    runs: int = 0
    worst: tuple[float, str] = (0.0, "")
    """Average percentage and root."""

    def merge(self, other: _Graph) -> None:
        self.runs += other.runs
        self.worst = max(self.worst, other.worst)


class _State(msgspec.Struct, gc=False):
    graphs: Table[_Graph] = msgspec.field(default_factory=lambda: Table(_Graph, MAX_PROCESS_TARGETS))
    sizes: Series = msgspec.field(default_factory=Series)


class MemoryPressure(Rule[_State]):
    """Average memory in use during a run above a threshold, and growth from run to run.

    Of the first, an alarm from 95 % on; impact 0.7 at the threshold, rising to 1.0 at 100 %. Of the
    second, an alarm where the process has doubled; impact `0.7 * growth / 100 %`, at most 1.0.
    """

    code = "RES002"
    name = "memory_pressure"
    group = Group.RESOURCES
    scope = Scope.PROCESS
    watches = frozenset()
    complexity = Complexity.MEDIUM
    options = {
        "memory_percent": Option(85.0, "%", "Average of the memory in use above which a run is pressed.", 1, 99.9),
        "min_samples": Option(5, "samples", "Fewest samples of a run that are judged.", 1),
        "min_growth_percent": Option(20.0, "%", "Growth that is worth a word, of what the process held."),
        "min_growth_mib": Option(64.0, "MiB", "The least growth that is worth a word."),
        "min_runs": Option(12, "runs", "Fewest runs over which growth is judged.", 3, 60),
    }
    memory_percent: float
    min_samples: int
    min_growth_percent: float
    min_growth_mib: float
    min_runs: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        used = root.resources
        if used is None or not used.samples:
            return ()
        if used.memory_bytes is not None:
            state.sizes.add(root.end_ns, root.span_id, used.memory_bytes)
        percent = used.memory_percent
        if percent is None or percent <= self.memory_percent or used.samples < self.min_samples:
            return self._growth(state)
        graph = state.graphs.of(root.name)
        if graph is None:
            return self._growth(state)
        graph.runs += 1
        graph.worst = max(graph.worst, (percent, root.span_id))
        return (self._pressed(root.name, graph), *self._growth(state))

    def merge(self, state: _State, other: _State) -> _State:
        state.graphs.merge(other.graphs)
        state.sizes.merge(other.sizes)
        return state

    def judge(self, state: _State, view: View) -> Iterable[Suggestion]:
        pressed = [self._pressed(name, graph) for name, graph in state.graphs.entries.items()]
        return (*pressed, *self._growth(state))

    def _growth(self, state: _State) -> Iterable[Suggestion]:
        grown = state.sizes.grown(self.min_runs)
        if grown is None or grown.percent < self.min_growth_percent:
            return ()
        return (self._growing(grown),) if grown.now - grown.before >= self.min_growth_mib * MIB else ()

    def _pressed(self, name: str, graph: _Graph) -> Suggestion:
        percent, span_id = graph.worst
        often = f", in the worst of {graph.runs} such runs" if graph.runs > 1 else ""
        over = (percent - self.memory_percent) / (_ALL - self.memory_percent)
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if percent >= ALARM_PERCENT else Level.NOTICE,
            description=(
                f"On average {percent:.0f} % of the memory was in use while {name} ran{often}. Keep less in its state, "
                "or give it more memory before it is killed."
            ),
            impact_score=round(min(1.0, REFERENCE_IMPACT + (1 - REFERENCE_IMPACT) * over), 3),
            complexity=self.complexity,
            confidence=0.9,
            applies_to=(f"run:{name}",),
            span_ids=(span_id,),
            evidence={
                "memory_percent": percent,
                "runs": graph.runs,
                "threshold_percent": self.memory_percent,
            },
        )

    def _growing(self, grown: Grown) -> Suggestion:
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if grown.percent >= DOUBLED else Level.NOTICE,
            description=(
                f"This process grew from {grown.before / MIB:,.0f} to {grown.now / MIB:,.0f} MiB over {grown.runs} runs, "
                f"{grown.a_run / MIB:.1f} MiB a run. Look at what outlives a run: globals, caches, checkpoints in "
                "memory, clients and browsers that are not closed."
            ),
            impact_score=round(min(1.0, REFERENCE_IMPACT * grown.percent / DOUBLED), 3),
            complexity=self.complexity,
            confidence=0.6,
            applies_to=("process:memory",),
            span_ids=grown.span_ids[:MAX_SPANS],
            evidence={
                "runs": grown.runs,
                "before_bytes": grown.before,
                "now_bytes": grown.now,
                "bytes_a_run": round(grown.a_run),
            },
        )
