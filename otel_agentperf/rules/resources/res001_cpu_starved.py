"""RES001 cpu_starved

What it finds: a run during which nearly all of the CPU was in use, of the host or of what its
container may use, and whose process wanted a part of it.

Why it costs: everything that is not waiting for a model then waits for a core: parsing answers,
running tools, the event loop of every other run.

Example: on average 93 % of the CPU was in use during a run of `research`, 12 % of it by this
process.

Instead: where this process uses most of it, move heavy work out of the agents (a pool of
processes, a service), or give it more cores. Where others do, give it a host or a quota of its own.

Limits: what others use of the CPU is not the agents' fault, so the impact falls with the share that
this process has of it: it is whole from half on, and an alarm only there. It needs samples (`AGENTPERF_SAMPLE_INTERVAL`), at least ten within the run. Whoever else
used the CPU meanwhile is in it, other runs too. A process that hardly uses the CPU waits for models
rather than for a core and is left alone, also where others keep it from more. It cannot see how much faster the run would have
been, so it states no saving.
"""

from __future__ import annotations

from collections.abc import Iterable

from otel_agentperf.model import Complexity, Level, Operation, Resources, Suggestion
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View

REFERENCE_IMPACT = 0.6
ALARM_PERCENT = 95.0
_ALL = 100.0
_MOST = 0.5


class CpuStarved(Rule[None]):
    """Average CPU in use during a run above a threshold.

    An alarm from 95 % on, where this process used at least half of it. Impact: 0.6 at the threshold,
    rising to 1.0 at 100 %; where this process used less than half, in proportion to its share.
    Confidence: `n / (n + 5)` for n samples.
    """

    code = "RES001"
    name = "cpu_starved"
    group = Group.RESOURCES
    scope = Scope.RUN
    watches = frozenset()
    complexity = Complexity.MEDIUM
    options = {
        "cpu_percent": Option(80.0, "%", "Average of the CPU in use above which a run is starved.", 1, 99.9),
        "own_percent": Option(
            5.0, "%", "Average of the CPU that the process itself must have used; one that uses less waits for others."
        ),
        "min_samples": Option(10, "samples", "Fewest samples of the CPU that are judged.", 1),
    }
    cpu_percent: float
    own_percent: float
    min_samples: int

    def start(self) -> None:
        """It keeps no state: the root says all."""

    def observe(self, state: None, operation: Operation, view: View) -> Iterable[Suggestion]:
        return ()

    def conclude(self, state: None, root: Operation, view: View) -> Iterable[Suggestion]:
        used = root.resources
        if used is None or used.cpu_percent is None or used.cpu_samples < self.min_samples:
            return ()
        if used.cpu_percent <= self.cpu_percent or (used.own_cpu_percent or 0.0) < self.own_percent:
            return ()
        return (self._suggestion(root, used, used.cpu_percent),)

    def _suggestion(self, root: Operation, used: Resources, percent: float) -> Suggestion:
        own = used.own_cpu_percent or 0.0
        is_own = own >= _MOST * percent
        cure = (
            "Move its heavy work to other processes, or give it more cores."
            if is_own
            else "Others use most of it: give this process a host or a quota of its own."
        )
        weight = min(1.0, own / (_MOST * percent))
        over = (percent - self.cpu_percent) / (_ALL - self.cpu_percent)
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if is_own and percent >= ALARM_PERCENT else Level.NOTICE,
            description=(
                f"On average {percent:.0f} % of the CPU was in use while {root.name} ran, {own:.0f} % by this process. "
                f"{cure}"
            ),
            impact_score=round(weight * min(1.0, REFERENCE_IMPACT + (1 - REFERENCE_IMPACT) * over), 3),
            complexity=self.complexity,
            confidence=round(used.cpu_samples / (used.cpu_samples + 5), 3),
            applies_to=(f"run:{root.name}",),
            span_ids=(root.span_id,),
            evidence={
                "cpu_percent": percent,
                "cpu_percent_max": used.cpu_percent_max or percent,
                "own_cpu_percent": own,
                "samples": used.cpu_samples,
                "threshold_percent": self.cpu_percent,
            },
        )
