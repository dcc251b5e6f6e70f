"""Metrics of advice that is applied: what was done with requests, what was taken back, and the shares now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from opentelemetry.metrics import Observation

from otel_agentperf import semconv
from otel_agentperf.live.applying import Applying
from otel_agentperf.live.lots import Key
from otel_agentperf.live.metrics.bounds import Bounded, Names
from otel_agentperf.live.metrics.sums import Sums

_TOLD = (semconv.WORKFLOW_NAME, semconv.NODE_NAME)


class Applied:
    """What is told of advice at the nodes that the user has named.

    Args:
        applying: the trials.
        names: the values of attributes.
        capped: counts what lost a name.
    """

    def __init__(self, applying: Applying, names: Names, capped: Counter[str]) -> None:
        self._applying = applying
        calls = (*_TOLD, semconv.ADVICE_DECISION, semconv.REASON)
        taken_back = (*_TOLD, semconv.ADVICE_CHANGE, semconv.REASON)
        self.calls = Sums(Bounded(semconv.METRIC_ADVICE_CALLS, calls, names, capped))
        self.taken_back = Sums(Bounded(semconv.METRIC_ADVICE_TAKEN_BACK, taken_back, names, capped))

    def renew(self) -> None:
        """Begin anew, in a child process."""
        self.calls.renew()
        self.taken_back.renew()

    def sums(self) -> tuple[tuple[str, str, str, Callable[[], Sequence[Observation]]], ...]:
        """The sums: name, unit, description and what observes them."""
        return (
            (
                semconv.METRIC_ADVICE_CALLS,
                "{call}",
                "Requests at nodes where advice may be applied",
                self.calls.observations,
            ),
            (
                semconv.METRIC_ADVICE_TAKEN_BACK,
                "{change}",
                "Changes that were taken back, since something became worse",
                self.taken_back.observations,
            ),
        )

    def shares(self) -> list[Observation]:
        """The share of the runs that each change is tried on."""
        return [Observation(share, _of(key)) for key, share in self._applying.shares().items()]


def _of(key: Key) -> dict[str, str]:
    told = {
        semconv.WORKFLOW_NAME: key.graph,
        semconv.NODE_NAME: key.node,
        semconv.ADVICE_CHANGE: key.change,
        semconv.REQUEST_MODEL_ASKED: key.asked,
        semconv.REQUEST_MODEL: key.model,
    }
    return {name: value for name, value in told.items() if value}
