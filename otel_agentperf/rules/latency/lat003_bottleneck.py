"""LAT003 bottleneck

What it finds: a run in which one node or one slow tool holds most of the critical path, the chain
of operations that decided how long the run took. A node is the outermost node or agent beneath the
run's root; all its invocations in the run count together, and so do all calls of a tool.

Why it costs: whatever else is made faster, the run cannot get faster by more than the rest of
the path. This is where a second saved is a second saved for the user who waits.

Example: `writer` took 14.0 s of the 20.0 s of the run, the next longest node 3.0 s. Or: one call of
`crawl` took 4,632 s of 4,701 s.

Instead: look at what it does in that time, which the description names: a shorter answer or a
faster model where it is model requests, independent calls in parallel, a time limit for a tool, and
work that nobody waits for moved off the path.

Limits: short runs are left alone. So are nodes of runs of fewer than three different nodes, since there
one node holds most of the path by nature, and the node that asks the model in a loop of model and
tools: that an agent waits for its model is no bottleneck. Time in which something else runs
too is not counted, since shortening one of them alone saves none of it. That it could be as fast
as the next one is a bound, not a promise. A tool that a person answers is left out, and so is a run
on a clock that was made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from otel_agentperf.model import (
    MAX_CLAIMS,
    Claim,
    Complexity,
    Level,
    Operation,
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, View, int_of, span_hex
from otel_agentperf.rules.bounded import MAX_SPANS, weighed
from otel_agentperf.rules.latency.held import (
    MODELS,
    TOOLS,
    Held,
    Stretches,
    by_busy,
    is_its_model,
    length_ns,
    next_tool,
    nodes_of,
    tools_of,
)
from otel_agentperf.rules.shape import NS_PER_S, Tree, target_of_row
from otel_agentperf.rules.time_spent import Spent, pieces, within

REFERENCE_IMPACT = 0.8


class Bottleneck(Rule[None]):
    """One node, or one slow tool, holds most of the run's critical path.

    Saving, estimated: what it took longer than the next longest node or tool, from which on that is
    the bottleneck, and at most the time in which nothing else ran. Impact: 0.8 (the reference point of a
    slow agent) where the saving is at least half of the run, in proportion below. A notice.
    """

    code = "LAT003"
    name = "bottleneck"
    group = Group.LATENCY
    scope = Scope.RUN
    watches = frozenset()
    complexity = Complexity.MEDIUM
    options = {
        "share": Option(0.5, "of the path", "Share of the critical path above which something is a bottleneck.", 0, 1),
        "min_run_s": Option(5.0, "s", "Runs that take no longer are not looked at."),
        "min_nodes": Option(3, "nodes", "Fewest different nodes of a run whose nodes are looked at.", 2),
        "min_tool_s": Option(5.0, "s", "Average call up to which no tool is a bottleneck."),
    }
    share: float
    min_run_s: float
    min_nodes: int
    min_tool_s: float

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
        rows = shape.rows()
        tools = tools_of(tree, rows, root)
        if tools and self._is_bottleneck(tools[0], root) and self._is_slow(tools[0]):
            models = [row for row in rows if row.kind in MODELS]
            return self._found(tree, rows, tools[0], next_tool(tools, models, root), root)
        nodes = nodes_of(tree, root)
        if len(nodes) < self.min_nodes or not self._is_bottleneck(nodes[0], root) or is_its_model(tree, nodes):
            return ()
        return self._found(tree, rows, nodes[0], max(nodes[1:], key=by_busy), root)

    def _is_bottleneck(self, held: Held, root: Operation) -> bool:
        return held.alone_ns > self.share * root.duration_ns

    def _is_slow(self, tool: Held) -> bool:
        return tool.busy_ns > self.min_tool_s * NS_PER_S * len(tool.rows)

    def _found(
        self, tree: Tree, rows: Sequence[Row], longest: Held, following: Held | None, root: Operation
    ) -> Iterable[Suggestion]:
        next_ns = following.busy_ns if following is not None else 0
        saved_ns = min(longest.alone_ns, longest.busy_ns - next_ns)
        if saved_ns <= 0:
            return ()
        by_kind = _by_kind(tree, rows, longest, root)
        path_s, next_s, run_s = (ns / NS_PER_S for ns in (longest.alone_ns, next_ns, root.duration_ns))
        is_tool = longest.rows[0].kind in TOOLS
        times = (
            f"{len(longest.rows)} calls of {longest.name}" if len(longest.rows) > 1 else f"One call of {longest.name}"
        )
        who = times if is_tool else longest.name
        held = f"{who} took {path_s:,.1f} s of the {run_s:,.1f} s of the run while nothing else ran"
        spent = ", ".join(f"{ns / NS_PER_S:,.1f} s {_WORDS[what]}" for what, ns in by_kind.items() if ns)
        after = f"the next longest, {following.name}, took {next_s:,.1f} s" if following is not None else ""
        suggestion = Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE,
            description=(
                f"{held}{f' ({spent})' if spent and not is_tool else ''}{f'; {after}' if after else ''}. "
                + (
                    "Give it a time limit, cache its results, or let other work run meanwhile."
                    if is_tool
                    else "Make it faster or take work out of it first: nothing else shortens the run as much."
                )
            ),
            impact_score=weighed(REFERENCE_IMPACT, saved_ns, root.duration_ns),
            complexity=self.complexity,
            confidence=0.8,
            applies_to=(target_of_row(longest.rows[0]),),
            span_ids=_spans(longest),
            evidence={
                "path_s": round(path_s, 3),
                "next_s": round(next_s, 3),
                "run_s": round(run_s, 3),
                "share": round(longest.alone_ns / root.duration_ns, 3),
                "invocations": len(longest.rows),
                **{f"{what}_s": round(ns / NS_PER_S, 3) for what, ns in by_kind.items()},
            },
            savings=Savings(SavingBasis.ESTIMATED, time_s=round(saved_ns / NS_PER_S, 6)),
            claims=_claims(longest, saved_ns),
        )
        return (suggestion,)


_KINDS = {Spent.MODEL: "model", Spent.TOOL: "tool", Spent.SERVICE: "service", Spent.PERSON: "person"}
_WORDS = {
    "model": "in model requests",
    "tool": "in tools",
    "own": "in its own code",
    "service": "in billed services",
    "person": "waiting for a person",
}


def _by_kind(tree: Tree, rows: Sequence[Row], held: Held, root: Operation) -> dict[str, int]:
    """What a node spent its time on, by what ran innermost."""
    top = next((row for row in rows if row.span_id == int_of(root.span_id)), None)
    spent = {"model": 0, "tool": 0, "own": 0}
    if top is None or held.rows[0].kind in TOOLS:
        return {}
    for piece in pieces(tree, top):
        if taken_ns := length_ns(within(held.alone, piece.start_ns, piece.end_ns)):
            what = _KINDS.get(piece.spent, "own")
            spent[what] = spent.get(what, 0) + taken_ns
    return spent


def _longest(held: Held) -> Stretches:
    return sorted(held.alone, key=lambda one: (one[0] - one[1], one[0]))


def _span_at(held: Held, start_ns: int, end_ns: int) -> str:
    """The latest of its spans that ran in a stretch."""
    running = [row for row in held.rows if row.start_ns < end_ns and start_ns < row.end_ns]
    return span_hex(max(running, key=lambda row: (row.start_ns, row.span_id)).span_id)


def _spans(held: Held) -> tuple[str, ...]:
    """The spans of its longest stretches, each once."""
    return tuple(dict.fromkeys(_span_at(held, *stretch) for stretch in _longest(held)[:MAX_SPANS]))


def _claims(held: Held, saved_ns: int) -> tuple[Claim, ...]:
    """Stretches in which it ran alone, the longest first, as long in all as what is saved."""
    claims: list[Claim] = []
    for start_ns, end_ns in _longest(held)[:MAX_CLAIMS]:
        claimed_ns = min(end_ns - start_ns, saved_ns)
        if claimed_ns <= 0:
            break
        claims.append(Claim(_span_at(held, start_ns, end_ns), start_ns=start_ns, end_ns=start_ns + claimed_ns))
        saved_ns -= claimed_ns
    return tuple(claims)
