from otel_agentperf.model import Complexity, Level, OperationKind, Suggestion
from otel_agentperf.rules.base import Group, Option, Rule, Scope


class SlowTool(Rule[None]):
    """A tool call that takes longer than the limit."""

    code, name, group, scope = "MINE001", "slow_tool", Group.LATENCY, Scope.RUN
    watches, complexity = frozenset({OperationKind.TOOL}), Complexity.MEDIUM
    options = {"limit_s": Option(10.0, "s", "Longest call that is fine.")}

    def start(self):  # what to remember of a run
        return None

    def observe(self, state, operation, view):  # once for each tool call, as it ends
        seconds = operation.duration_ns / 1e9
        if seconds > self.limit_s:
            said = f"{operation.name} took {seconds:.1f} s. Give it a timeout, or do less in it."
            about = (f"tool:{operation.name}",)
            yield Suggestion(
                self.code,
                self.name,
                Level.NOTICE,
                said,
                0.6,
                self.complexity,
                0.9,
                about,
                span_ids=(operation.span_id,),
                evidence={"seconds": seconds},
            )
