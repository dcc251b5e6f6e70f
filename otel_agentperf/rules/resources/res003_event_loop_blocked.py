"""RES003 event_loop_blocked

What it finds: an asynchronous node whose own code kept the event loop from going on: a synchronous
call (`requests`, `time.sleep`, a database driver, a synchronous model client), or long computing.

Why it costs: while one node holds the loop, nothing else on it moves: no other run, no answer that
comes in, no timeout, no health check of the server.

Example: `fetch` kept the event loop for 3.2 s in 2 invocations, up to 1.8 s at once.

Instead: await an asynchronous client, or hand the call to a thread with `asyncio.to_thread` (or to
a process, where it computes). A node that is a plain `def` runs in a thread by itself.

Limits: it needs `agentperf-system`, which looks at the loop every 0.1 s. Shorter stretches do not
count, nor do those in which the node may have waited for a core or for the interpreter's lock.
With uvloop on Python 3.11 it is not known whose code runs. A run that has the loop to itself keeps
nobody else waiting; the rule cannot know that.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from otel_agentperf.model import Complexity, Level, Operation, OperationKind, Suggestion
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View
from otel_agentperf.rules.bounded import MAX_TARGETS, Claims, Table
from otel_agentperf.rules.traits import BLOCKED

NS_PER_S = 1e9
REFERENCE_IMPACT = 0.6
ALARM_TIMES = 10


class _Node(msgspec.Struct, gc=False):
    invocations: int = 0
    blocked_ns: int = 0
    longest_ns: int = 0
    worst: Claims = msgspec.field(default_factory=Claims)

    def merge(self, other: _Node) -> None:
        self.invocations += other.invocations
        self.blocked_ns += other.blocked_ns
        self.longest_ns = max(self.longest_ns, other.longest_ns)
        self.worst.merge(other.worst)


_State = Table[_Node]


class EventLoopBlocked(Rule[_State]):
    """Time for which a node's code kept its event loop, over a run.

    An alarm from ten times the threshold on. Impact: 0.6 at the threshold, rising to 1.0 at ten
    times of it.
    """

    code = "RES003"
    name = "event_loop_blocked"
    group = Group.RESOURCES
    scope = Scope.RUN
    watches = frozenset({OperationKind.NODE})
    needs = BLOCKED
    complexity = Complexity.LOW
    options = {
        "blocked_s": Option(0.5, "s", "Time in one run above which a node blocks the loop.", 0.1),
    }
    blocked_s: float

    def start(self) -> _State:
        return Table(_Node, MAX_TARGETS)

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        used = operation.resources
        node = state.of(operation.name)
        if used is not None and node is not None:
            node.invocations += 1
            node.blocked_ns += used.blocked_ns
            node.longest_ns = max(node.longest_ns, used.blocked_max_ns)
            node.worst.add(operation.span_id, start_ns=0, end_ns=used.blocked_ns)
        return ()

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        return [
            self._suggestion(name, node)
            for name, node in state.entries.items()
            if node.blocked_ns > self.blocked_s * NS_PER_S
        ]

    def _suggestion(self, name: str, node: _Node) -> Suggestion:
        blocked_s, longest_s = node.blocked_ns / NS_PER_S, node.longest_ns / NS_PER_S
        times = blocked_s / self.blocked_s
        often = "" if node.invocations == 1 else f" in {node.invocations} invocations"
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if times >= ALARM_TIMES else Level.NOTICE,
            description=(
                f"{name} kept the event loop for {blocked_s:.1f} s{often}, up to {longest_s:.1f} s at once. Await an "
                "asynchronous client there, or hand the call to a thread with asyncio.to_thread."
            ),
            impact_score=round(min(1.0, REFERENCE_IMPACT + 0.4 * (times - 1) / (ALARM_TIMES - 1)), 3),
            complexity=self.complexity,
            confidence=0.85,
            applies_to=(f"node:{name}",),
            span_ids=node.worst.spans(),
            evidence={
                "blocked_s": round(blocked_s, 3),
                "longest_s": round(longest_s, 3),
                "invocations": node.invocations,
                "threshold_s": self.blocked_s,
            },
        )
