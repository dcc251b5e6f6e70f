"""COST001 session_over_budget

What it finds: a session whose model requests and billed services together cost more than
its budget: the one in the settings, else a default limit. It speaks again, louder, at 2, 5
and 10 times the budget, and names the three largest contributors.

Why it costs: this is the bill itself. A session that grows past its budget is usually one
agent, one model or one loop.

Example: session `rec-17` has cost $0.23, more than 2 times the default limit of $0.10; $0.19 of
it is `node:sequence_generator`.

Instead: start with the largest contributor: a cheaper model for it, a smaller prompt, fewer
rounds. Or set the budget that fits: `budget_usd` under `[rules.COST001]` in the settings file.

Limits: usage whose price is unknown is not in the sum, so the true cost can only be higher;
the evidence counts such calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

import msgspec

from otel_agentperf.model import Complexity, Level, Operation, Suggestion
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View, billed_kinds

STEPS = (1, 2, 5, 10)
IMPACTS = {1: 0.6, 2: 0.75, 5: 0.9, 10: 1.0}
CONTRIBUTORS = 3


class _State(msgspec.Struct, gc=False):
    announced: int
    next_usd: Decimal
    """Below this there is nothing new to say."""


class SessionOverBudget(Rule[_State]):
    """The session's cost has passed 1, 2, 5 or 10 times its budget.

    Impact: 0.6, 0.75, 0.9 and 1.0 at these steps; a notice at the first, an alarm from the
    second on. It claims no saving: what to save is for the rules on the contributors to say.
    """

    code = "COST001"
    name = "session_over_budget"
    group = Group.COST
    scope = Scope.SESSION
    watches = billed_kinds()
    complexity = Complexity.MEDIUM
    options = {"budget_usd": Option(0.10, "USD", "What a session may cost.", 1e-9)}
    budget_usd: float

    def start(self) -> _State:
        return _State(0, _exact(self.budget_usd))

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        cost_usd = view.totals.cost_usd
        if cost_usd <= state.next_usd:
            return ()
        budget = _exact(self.budget_usd)
        step = max(step for step in STEPS if cost_usd > budget * step)
        if step == state.announced:
            return ()
        state.announced = step
        state.next_usd = next((budget * s for s in STEPS if s > step), Decimal("Infinity"))
        return (self._suggestion(step, view, (operation.span_id,)),)

    def merge(self, state: _State, other: _State) -> _State:
        del other  # the sums are the view's
        return state

    def judge(self, state: _State, view: View) -> Iterable[Suggestion]:
        del state
        budget = _exact(self.budget_usd)
        if view.totals.cost_usd <= budget:
            return ()
        passed = [step for step in STEPS if view.totals.cost_usd > budget * step]
        return (self._suggestion(passed[-1], view, ()),)

    def _suggestion(self, step: int, view: View, span_ids: tuple[str, ...]) -> Suggestion:
        spent = float(view.totals.cost_usd)
        largest = sorted(
            (each for each in view.contributors.items() if each[1].cost_usd),
            key=lambda item: (-round(item[1].cost_usd, 9), item[0]),
        )[:CONTRIBUTORS]
        # Rounded first: sums of floats differ in the last digit by the order of the runs.
        named = ", ".join(f"{name} ${Decimal(repr(round(spending.cost_usd, 9))):.4f}" for name, spending in largest)
        is_set = "budget_usd" in self.chosen
        limit = f"{'its budget' if is_set else 'the default limit'} of {_usd(self.budget_usd)}"
        how = "" if is_set else " (nobody set one: budget_usd under [rules.COST001] in the settings file)"
        passed = limit if step == 1 else f"{step} times {limit}"
        evidence: dict[str, float | int] = {
            "cost_usd": round(spent, 6),
            "budget_usd": self.budget_usd,
            "times_budget": round(spent / self.budget_usd, 2),
            "unpriced_calls": view.totals.unpriced_calls,
        }
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.NOTICE if step == 1 else Level.ALARM,
            description=(
                f"The session has cost ${view.totals.cost_usd:.4f}, more than {passed}{how}. "
                f"Largest contributors: {named}."
            ),
            impact_score=IMPACTS[step],
            complexity=self.complexity,
            confidence=1.0,
            applies_to=(f"session:{view.name}", *(name for name, _ in largest)),
            span_ids=span_ids,
            evidence=evidence,
        )


def _usd(amount: float) -> str:
    """Dollars and cents, with more digits only where cents would hide the amount."""
    return f"${amount:.2f}" if round(amount, 2) == amount else f"${amount:g}"


@lru_cache(maxsize=16)
def _exact(usd: float) -> Decimal:
    """An amount as it was written."""
    return Decimal(str(usd))
