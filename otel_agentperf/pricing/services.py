"""Services billed by the minute or the call, and which work counts as theirs.

A service is known from the settings alone: its match lists name nodes, tools, spans and HTTP
hosts. `*` and `?` are wildcards; names are compared exactly, hosts without case and port.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from fnmatch import translate

import msgspec

from otel_agentperf.config import wrong
from otel_agentperf.model import ZERO_USD, Cost, CostStatus
from otel_agentperf.pricing.rates import add, multiply, unpriced

MATCH_LISTS = ("nodes", "tools", "spans", "hosts")
_WILDCARD = re.compile(r"[*?\[]")
_PORT = re.compile(r":\d+$")


class ServiceRate(msgspec.Struct, frozen=True):
    """What a service charges, in US dollars, and where it is recognised."""

    name: str
    per_minute_usd: Decimal | None = None
    per_call_usd: Decimal | None = None
    nodes: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def cost(self, minutes: float | Decimal | None, calls: int = 1) -> Cost:
        """Return what a use costs.

        Args:
            minutes: how long it was used; `None` where that is not known.
            calls: how often it was called.

        Returns:
            The cost, unpriced where the service bills by the minute and `minutes` is unknown.
        """
        if calls < 0:
            return unpriced("a negative number of calls")
        total = ZERO_USD if self.per_call_usd is None else multiply(self.per_call_usd, calls)
        if self.per_minute_usd is not None:
            if minutes is None:
                return unpriced(f"{self.name} is billed by the minute and the time is not known")
            exact = minutes if isinstance(minutes, Decimal) else Decimal(repr(minutes))
            if not exact.is_finite() or exact < 0:
                return unpriced(f"{minutes} minutes cannot be billed")
            total = add(total, multiply(self.per_minute_usd, exact))
        return Cost(status=CostStatus.PRICED, total_usd=total)


class _Names:
    """One match list of all services: exact names in a dictionary, wildcards in order."""

    __slots__ = ("exact", "wild")

    def __init__(self, field: str, rates: Iterable[ServiceRate], *, fold: bool) -> None:
        self.exact: dict[str, str] = {}
        self.wild: list[tuple[re.Pattern[str], str]] = []
        for rate in rates:
            for pattern in getattr(rate, field):
                self._add(field, pattern.lower() if fold else pattern, rate.name)

    def _add(self, field: str, pattern: str, service: str) -> None:
        if _WILDCARD.search(pattern):
            self.wild.append((re.compile(translate(pattern)), service))
        elif self.exact.setdefault(pattern, service) != service:
            raise wrong(
                f"[prices.services.{service}] {field}",
                pattern,
                f"a name that no other service claims ({self.exact[pattern]} does)",
            )

    def find(self, name: str) -> str | None:
        found = self.exact.get(name)
        if found is None:
            for pattern, service in self.wild:
                if pattern.match(name):
                    return service
        return found


class ServiceIndex:
    """Finds the service that a node, tool, span or host belongs to."""

    __slots__ = ("_hosts", "_nodes", "_spans", "_tools", "empty")

    def __init__(self, rates: Iterable[ServiceRate]) -> None:
        kept = tuple(rates)
        self.empty = not any(getattr(rate, field) for rate in kept for field in MATCH_LISTS)
        self._nodes = _Names("nodes", kept, fold=False)
        self._tools = _Names("tools", kept, fold=False)
        self._spans = _Names("spans", kept, fold=False)
        self._hosts = _Names("hosts", kept, fold=True)

    def find(self, node: str | None, tool: str | None, span: str | None, host: str | None) -> str | None:
        """Return the service's name, looking at tool, node, host and span in that order."""
        if tool is not None and (found := self._tools.find(tool)) is not None:
            return found
        if node is not None and (found := self._nodes.find(node)) is not None:
            return found
        if host is not None and (found := self._hosts.find(_PORT.sub("", host.lower()))) is not None:
            return found
        return None if span is None else self._spans.find(span)
