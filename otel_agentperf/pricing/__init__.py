"""Usage in, cost out: list prices, the user's own prices, billed services."""

from __future__ import annotations

from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.pricing.services import ServiceRate

__all__ = ["PriceBook", "ServiceRate"]
