from __future__ import annotations

from decimal import Decimal

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.model import Inference, Operation, OperationKind, Usage
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.rules.cost.cost004_long_context_surcharge import LongContextSurcharge
from tests.rules.operations import BEGIN_NS, root


def test_a_cliff_of_the_users_own_price_counts_for_the_name_it_was_given_for() -> None:
    own = {"input_mtok": 1, "output_mtok": 1, "input_above_cliff_mtok": 3, "cliff_tokens": 1_000}
    prices = PriceBook({"models": {"my-model": own}})
    engine = Engine((LongContextSurcharge(),), prices=prices)
    run = engine.begin("graph", None, BEGIN_NS)
    usage = Usage(1_200)
    engine.observe(
        run,
        Operation(
            OperationKind.INFERENCE,
            "my-model",
            "1",
            BEGIN_NS,
            BEGIN_NS + 1,
            usage=usage,
            cost=prices.price("gcp.gemini", "my-model", usage, when_ns=BEGIN_NS),
            inference=Inference("gcp.gemini", "my-model", "gemini-2.5-pro"),
        ),
    )
    summary, _ = engine.finish(run, root(BEGIN_NS, BEGIN_NS + 1))
    (said,) = summary.suggestions
    assert said.savings is not None
    assert said.savings.cost_usd == (1_200 * Decimal(3) - 1_000 * Decimal(1)) / 1_000_000
