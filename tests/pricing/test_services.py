from __future__ import annotations

from decimal import Decimal

import pytest

from otel_agentperf.model import CostStatus
from otel_agentperf.pricing import PriceBook, ServiceRate

BOOK = PriceBook(
    {
        "services": {
            "steel_browser": {"per_minute_usd": 0.001, "nodes": ["browse", "web_*"], "hosts": ["*.Steel.dev"]},
            "search": {"per_call_usd": 0.005, "tools": ["tavily_search"], "spans": ["POST /search"]},
        }
    }
)


@pytest.mark.parametrize(
    ("given", "service"),
    [
        ({"node": "browse"}, "steel_browser"),
        ({"node": "web_agent"}, "steel_browser"),
        ({"node": "Browse"}, None),
        ({"host": "api.steel.dev"}, "steel_browser"),
        ({"host": "API.STEEL.DEV:443"}, "steel_browser"),
        ({"host": "steel.dev.evil.com"}, None),
        ({"tool": "tavily_search"}, "search"),
        ({"span": "POST /search"}, "search"),
        ({"tool": "other", "node": "browse"}, "steel_browser"),
        ({"tool": "other", "node": "plan", "host": "example.com", "span": "GET"}, None),
        ({}, None),
    ],
)
def test_a_service_is_found_by_node_tool_host_or_span(given: dict[str, str], service: str | None) -> None:
    assert BOOK.match_service(**given) == service


def test_without_services_nothing_matches() -> None:
    assert PriceBook().match_service(node="browse") is None


def test_a_service_is_found_by_its_name() -> None:
    rate = BOOK.service("steel_browser")
    assert rate is not None
    assert rate.per_minute_usd == Decimal("0.001")
    assert BOOK.service("nobody") is None


@pytest.mark.parametrize(
    ("rate", "minutes", "calls", "usd"),
    [
        (ServiceRate("s", per_minute_usd=Decimal("0.001")), 2.5, 1, "0.0025"),
        (ServiceRate("s", per_minute_usd=Decimal("0.001")), Decimal("0.5"), 7, "0.0005"),
        (ServiceRate("s", per_call_usd=Decimal("0.005")), None, 3, "0.015"),
        (ServiceRate("s", per_minute_usd=Decimal(1), per_call_usd=Decimal(2)), 3, 4, "11"),
        (ServiceRate("s", per_minute_usd=Decimal("0.001")), 0, 1, "0"),
    ],
)
def test_a_use_costs_its_minutes_and_calls(
    rate: ServiceRate, minutes: float | Decimal | None, calls: int, usd: str
) -> None:
    cost = rate.cost(minutes, calls)
    assert (cost.status, cost.total_usd) == (CostStatus.PRICED, Decimal(usd))


@pytest.mark.parametrize(
    ("minutes", "calls"), [(None, 1), (-1.0, 1), (float("nan"), 1), (float("inf"), 1), (Decimal("NaN"), 1), (1.0, -1)]
)
def test_a_use_that_cannot_be_billed_is_unpriced(minutes: float | Decimal | None, calls: int) -> None:
    cost = ServiceRate("s", per_minute_usd=Decimal(1), per_call_usd=Decimal(1)).cost(minutes, calls)
    assert (cost.status, cost.total_usd) == (CostStatus.UNPRICED, None)
    assert cost.reason
