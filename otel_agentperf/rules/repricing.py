"""What rules share that ask what a request, or a part of it, costs by the price list."""

from __future__ import annotations

from decimal import Decimal

from otel_agentperf.model import Cost, Inference, Usage
from otel_agentperf.rules.base import PriceBook


def priced_as(call: Inference, usage: Usage, cost: Cost, prices: PriceBook, when_ns: int) -> str:
    """The name whose price was charged: of the model that answered, or of the one asked for where that has its own."""
    answered = call.response_model
    if answered is None or answered == call.request_model:
        return call.request_model
    known = prices.price(call.provider, answered, usage, cost.tier, when_ns=when_ns, location=call.location)
    return answered if known.total_usd == cost.total_usd else call.request_model


def thoughts_usd(
    tokens: int, call: Inference, usage: Usage, cost: Cost, prices: PriceBook, when_ns: int
) -> Decimal | None:
    """What so many of a request's thoughts cost: thoughts are text, whatever else it put out.

    Args:
        tokens: thoughts, at most those of the request.
        call: the request.
        usage: of it: past a price cliff of its input, output costs more.
        cost: of it.
        prices: what is asked.
        when_ns: when it was made.
    """
    model = priced_as(call, usage, cost, prices, when_ns)
    alone = Usage(usage.input_tokens, tokens, reasoning_tokens=tokens)
    return prices.price(call.provider, model, alone, cost.tier, when_ns=when_ns, location=call.location).output_usd
