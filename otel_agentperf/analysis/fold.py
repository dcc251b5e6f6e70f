"""Runs that were judged alone, joined to sessions and services.

Replay reduces twice: the spans of a trace to digests of its runs, then those to sessions and
services. Digests are small, can be pickled, and merge in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from msgspec.structs import replace

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.analysis.runs import MAX_CONTRIBUTORS, OTHER_CONTRIBUTOR, Run
from otel_agentperf.baselines.normals import Normals
from otel_agentperf.model import Extent, Suggestion, Totals
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.rules.base import Rule, Scope, Spending, View

AnyRule = Rule[Any]
_SPENT = tuple(each.name for each in fields(Spending))


@dataclass(slots=True)
class Digest:
    """What a run adds to its session and its service."""

    totals: Totals
    contributors: Mapping[str, Spending]
    states: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """By rule code, of the rules over a session and over the process."""


def digest(engine: Engine, run: Run) -> Digest:
    """Take the digest of a run that was begun alone and is finished."""
    return Digest(run.totals, run.view.contributors, engine.states(run))


class Fold:
    """Joins digests of one session, or of one service.

    Args:
        rules: the rules that made the digests; those of the scope judge here.
        scope: `SESSION` or `PROCESS`.
        name: the session's id, or the service's name.
        prices: what rules ask for the price of the same tokens elsewhere.
        normals: what was learned of days before.
        on_error: told of a rule that raised, with a site name and the error; the others go on.
            Without it the error is raised.
    """

    def __init__(
        self,
        rules: Iterable[AnyRule],
        scope: Scope,
        name: str,
        prices: PriceBook | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
        normals: Normals | None = None,
    ) -> None:
        self._on_error = on_error
        self._rules = tuple(rule for rule in rules if rule.scope is scope)
        self._states: dict[str, Any] = {}
        self.view = View(scope, name, prices=prices, normals=normals)
        self.runs = 0

    def add(self, part: Digest) -> None:
        """Take in one digest; it may be changed and must not be used again."""
        self.runs += 1
        _add(self.view, part)
        states = self._states
        for rule in self._rules:
            state = part.states.get(rule.code)
            if state is None:
                continue
            own = states.get(rule.code)
            try:
                states[rule.code] = state if own is None else rule.merge(own, state)
            except Exception as error:  # noqa: BLE001 - one bad rule must not silence the others
                self._report(rule, error)

    def digest(self) -> Digest:
        """All that was added, to be added to another fold; this one must not be used again."""
        return Digest(self.view.totals, self.view.contributors, self._states)

    def judge(self) -> list[Suggestion]:
        """What the rules of the scope say of all of it: alarms first, then those with the most impact."""
        said: list[Suggestion] = []
        for rule in self._rules:
            if rule.code in self._states:
                try:
                    said.extend(rule.judge(self._states[rule.code], self.view))
                except Exception as error:  # noqa: BLE001 - one bad rule must not silence the others
                    self._report(rule, error)
        extent = Extent.SESSION if self.view.scope is Scope.SESSION else Extent.PROCESS
        return sorted((replace(each, extent=extent) for each in said), key=lambda suggestion: suggestion.rank)

    def _report(self, rule: AnyRule, error: Exception) -> None:
        if self._on_error is None:
            raise error
        self._on_error(f"rule.{rule.code}", error)


def _add(view: View, part: Digest) -> None:
    view.totals.merge(part.totals)
    view.calls += part.totals.inference_calls + part.totals.embedding_calls
    contributors = view.contributors
    for name, spending in part.contributors.items():
        own = contributors.get(name)
        if own is None:
            known = len(contributors) < MAX_CONTRIBUTORS
            own = contributors.setdefault(name if known else OTHER_CONTRIBUTOR, Spending())
        for each in _SPENT:
            setattr(own, each, getattr(own, each) + getattr(spending, each))
