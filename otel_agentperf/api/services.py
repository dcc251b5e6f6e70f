"""Billed services that a program uses, whose prices stand in the settings file."""

from __future__ import annotations

from decimal import Decimal
from time import time_ns
from typing import Any

from otel_agentperf import guard
from otel_agentperf.api.budgeting import hold_budgets
from otel_agentperf.api.refusals import refuse, shown
from otel_agentperf.api.spanned import Spanned
from otel_agentperf.api.switching import active_pipeline, switch
from otel_agentperf.live import frames, services

_NS_PER_MINUTE = Decimal(60_000_000_000)


class service(Spanned):  # noqa: N801 - reads as a statement, `with service("steel_browser"):`
    """Marks the use of a billed service; its price stands in the settings file.

    As a context manager or decorator the time inside is billed, as a `use_service` span.
    `service(name).record(minutes=...)` bills time or calls that were measured elsewhere.

    Args:
        name: a name under `[prices.services]`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._start_ns = 0

    def _fresh(self, arguments: Any) -> service:
        del arguments
        return service(self._name)

    def begin(self) -> None:
        """Begin one use."""
        hold_budgets()
        self._start_ns = time_ns()

    def end(self, result: Any, error: BaseException | None) -> None:
        """End it, with what came of it."""
        del result, error
        self._bill(self._start_ns, time_ns(), None, 1)

    def record(self, *, minutes: float | Decimal | None = None, calls: int = 1) -> None:
        """Bill what was measured elsewhere. What makes no sense is said in the log and not billed.

        Args:
            minutes: how long the service was used, 0 or more.
            calls: how many calls that were, 0 or more.
        """
        try:
            used = Decimal(str(minutes if minutes is not None else 0))
            sensible = used.is_finite() and used >= 0 and calls >= 0
        except (ArithmeticError, TypeError, ValueError):
            sensible, used = False, Decimal(0)
        if not sensible:
            refuse("service.record", f"minutes={shown(minutes)}, calls={shown(calls)}", "numbers from 0 up")
            return
        end_ns = time_ns()
        self._bill(end_ns - int(used * _NS_PER_MINUTE), end_ns, used, calls)

    def _bill(self, start_ns: int, end_ns: int, minutes: Decimal | None, calls: int) -> None:
        try:
            active = active_pipeline()
            if active is None:
                return
            user = frames.current()
            if services.will_bill(active, self._name, user):
                return
            used = minutes if minutes is not None else Decimal(end_ns - start_ns) / _NS_PER_MINUTE
            cost = services.cost_of(active, self._name, used, calls)
            services.write(active, self._name, switch.tracer, user, start_ns, end_ns, cost, used)
        except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
            guard.report("api.service", error)
