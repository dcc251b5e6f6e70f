"""LAT003 bottleneck

What it finds: a run in which one node holds most of the critical path, the chain of operations
that decided how long the run took. A node is the outermost node or agent beneath the run's root;
all its invocations in the run count together.

Why it costs: whatever else is made faster, the run cannot get faster by more than the rest of
the path. This is where a second saved is a second saved for whoever waits.

Example: `writer` held 14.0 s of the 20.0 s that the run took, the next longest node 3.0 s.

Instead: look at what it does in that time, which the description says: a shorter answer or a
faster model where it is model requests, independent calls in parallel, and work that nobody
waits for moved off the path.

Limits: short runs and runs of fewer than three different nodes say nothing, since there one node
holds most of the path by nature. Time in which another node runs too is counted for neither,
since shortening one of them alone saves none of it. That the node could be as fast as the next one
is a bound, not a promise. A run on a clock that was made up is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from otel_agentperf.model import (
    MAX_CLAIMS,
    Claim,
    Complexity,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, View, span_hex
from otel_agentperf.rules.bounded import MAX_SPANS, weighed
from otel_agentperf.rules.shape import NS_PER_S, Tree, target_of_row

_MODEL = frozenset({OperationKind.INFERENCE, OperationKind.EMBEDDINGS})
REFERENCE_IMPACT = 0.8


class _Held(NamedTuple):
    """What the invocations of one node hold of the critical path, no other node running."""

    unit: Row
    invocations: int
    total_ns: int
    stretches: tuple[tuple[int, int, int], ...]
    """Start, end and span of each, in order."""


class Bottleneck(Rule[None]):
    """One node holds most of the run's critical path.

    Saving, estimated and bounded by the path: `time that the node held the path alone - the same
    of the next longest node`, since from there on another node is the bottleneck. Impact: 0.8 (the
    reference point of a slow agent) where the saving is at least half of the run, in proportion
    below. A notice.
    """

    code = "LAT003"
    name = "bottleneck"
    group = Group.LATENCY
    scope = Scope.RUN
    watches = frozenset()
    complexity = Complexity.MEDIUM
    options = {
        "share": Option(0.5, "of the path", "Share of the critical path above which a node is a bottleneck.", 0, 1),
        "min_run_s": Option(5.0, "s", "Runs that take no longer are not looked at."),
        "min_nodes": Option(3, "nodes", "Fewest different nodes of a run that is looked at.", 2),
    }
    share: float
    min_run_s: float
    min_nodes: int

    def start(self) -> None:
        """It keeps no state: the run's shape is looked at in the end."""

    def observe(self, state: None, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: None, root: Operation, view: View) -> Iterable[Suggestion]:
        shape = view.columns
        if root.duration_ns <= self.min_run_s * NS_PER_S or shape is None or shape.dropped:
            return ()
        tree = shape.tree(root)
        if tree.has_made_up_clock():
            return ()
        held = sorted(_held(tree, root), key=lambda one: (-one.total_ns, one.unit.name))
        if len(held) < self.min_nodes or held[0].total_ns <= self.share * root.duration_ns:
            return ()
        return (self._suggestion(tree.walk(), held, root),)

    def _suggestion(self, tree: Tree, held: list[_Held], root: Operation) -> Suggestion:
        longest, following = held[0], held[1]
        saved_ns = longest.total_ns - following.total_ns
        by_kind = _by_kind(tree, longest)
        path_s, next_s = longest.total_ns / NS_PER_S, following.total_ns / NS_PER_S
        evidence: dict[str, float | int] = {
            "path_s": round(path_s, 3),
            "next_s": round(next_s, 3),
            "run_s": round(root.duration_ns / NS_PER_S, 3),
            "share": round(longest.total_ns / root.duration_ns, 3),
            "invocations": longest.invocations,
            **{f"{what}_s": round(spent / NS_PER_S, 3) for what, spent in by_kind.items()},
        }
        spent = ", ".join(f"{ns / NS_PER_S:.1f} s {_WORDS[what]}" for what, ns in by_kind.items() if ns)
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"{longest.unit.name} held {path_s:.1f} s of the {root.duration_ns / NS_PER_S:.1f} s that the run took "
                f"({spent}), the next longest node, {following.unit.name}, {next_s:.1f} s. Make it faster or take "
                "work out of it first: nothing else shortens the run as much."
            ),
            impact_score=weighed(REFERENCE_IMPACT, saved_ns, root.duration_ns),
            complexity=self.complexity,
            confidence=0.8,
            applies_to=(target_of_row(longest.unit),),
            span_ids=tuple(span_hex(span) for _, _, span in _longest(longest)[:MAX_SPANS]),
            evidence=evidence,
            savings=Savings(SavingBasis.ESTIMATED, time_s=round(saved_ns / NS_PER_S, 6)),
            claims=_claims(longest, saved_ns),
        )


_WORDS = {"model": "in model requests", "tool": "in tools", "own": "in its own code"}


def _held(tree: Tree, root: Operation) -> Iterable[_Held]:
    """What each different node beneath the root holds of the path alone, also where that is nothing."""
    units = {unit.span_id: unit for unit in tree.units()}
    edges: list[tuple[int, bool, int]] = []
    for span, unit in units.items():
        start_ns, end_ns = max(unit.start_ns, root.start_ns), min(unit.end_ns, root.end_ns)
        if start_ns < end_ns:
            edges += ((start_ns, True, span), (end_ns, False, span))
    running: dict[str, dict[int, None]] = {}
    alone: dict[str, list[tuple[int, int, int]]] = {unit.name: [] for unit in units.values()}
    since_ns = root.start_ns
    for time_ns, opens, span in sorted(edges):
        if len(running) == 1 and time_ns > since_ns:
            ((name, spans),) = running.items()
            alone[name].append((since_ns, time_ns, next(reversed(spans))))
        since_ns = time_ns
        spans = running.setdefault(units[span].name, {})
        if opens:
            spans[span] = None
        else:
            del spans[span]
        if not spans:
            del running[units[span].name]
    by_name = {unit.name: unit for unit in reversed(units.values())}
    invocations = Counter(unit.name for unit in units.values())
    for name, stretches in alone.items():
        total_ns = sum(end_ns - start_ns for start_ns, end_ns, _ in stretches)
        yield _Held(by_name[name], invocations[name], total_ns, tuple(stretches))


def _by_kind(tree: Tree, held: _Held) -> dict[str, int]:
    """What the node spent its time on, by what ran innermost."""
    spent = {"model": 0, "tool": 0, "own": 0}
    path = sorted(tree.path, key=lambda stretch: stretch.start_ns)
    place = 0
    for start_ns, end_ns, _ in held.stretches:
        while place < len(path) and path[place].end_ns <= start_ns:
            place += 1
        at = place
        while at < len(path) and path[at].start_ns < end_ns:
            kind = path[at].row.kind
            what = "model" if kind in _MODEL else "tool" if kind is OperationKind.TOOL else "own"
            spent[what] += min(end_ns, path[at].end_ns) - max(start_ns, path[at].start_ns)
            at += 1
    return spent


def _longest(held: _Held) -> list[tuple[int, int, int]]:
    return sorted(held.stretches, key=lambda one: (one[0] - one[1], one[0]))


def _claims(longest: _Held, saved_ns: int) -> tuple[Claim, ...]:
    """Stretches of the node on the path, the longest first, as long in all as what is saved."""
    claims: list[Claim] = []
    for start_ns, end_ns, span in _longest(longest)[:MAX_CLAIMS]:
        claimed_ns = min(end_ns - start_ns, saved_ns)
        if claimed_ns <= 0:
            break
        claims.append(Claim(span_hex(span), start_ns=start_ns, end_ns=start_ns + claimed_ns))
        saved_ns -= claimed_ns
    return tuple(claims)
