"""Operations from the plain words of a case, through the fingerprints that production uses."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.model import (
    BILLED_BY_TOKEN,
    Cost,
    CostStatus,
    Inference,
    ModalityTokens,
    NodeStep,
    Operation,
    OperationKind,
    Resources,
    ServiceTier,
    ToolCall,
    Usage,
)
from otel_agentperf.pricing.book import PriceBook

FINGERPRINTER = Fingerprinter("cases")
PRICES = PriceBook()
SECOND_NS = 1_000_000_000
BEGIN_NS = 1_780_000_000 * SECOND_NS
"""A day in 2026, whose prices the cases are reckoned by."""
ROOT_ID = "f" * 16


class Clock:
    """Gives each operation the time after the one before."""

    def __init__(self) -> None:
        self._now_ns = BEGIN_NS
        self._ids = count(1)
        self._traces = count(1)
        self._trace_id = ""

    def begin_run(self) -> None:
        """Give the operations from now on a trace of their own."""
        self._trace_id = format(next(self._traces), "032x")

    def operation(self, words: dict[str, Any]) -> Operation:
        """Make one operation; the keys are those of the YAML files beside this one.

        `seconds` lasts from the end of the one before; `from` and `to` are seconds on the clock.
        """
        start_ns = self._now_ns
        if "from" in words:
            start_ns, self._now_ns = (BEGIN_NS + round(float(words[key]) * SECOND_NS) for key in ("from", "to"))
        else:
            self._now_ns += round(float(words.get("seconds", 0)) * SECOND_NS)
        return Operation(
            kind=OperationKind(words["kind"]),
            name=words["name"],
            span_id=format(words.get("id", next(self._ids)), "016x"),
            start_ns=start_ns,
            end_ns=self._now_ns,
            parent_id=format(words["in"], "016x") if "in" in words else ROOT_ID,
            trace_id=self._trace_id,
            agent=words.get("for", ""),
            is_agent=words.get("agent", False),
            error_type=words.get("error"),
            outcome=words.get("outcome"),
            usage=_usage(words),
            cost=_cost(words),
            inference=_inference(words),
            tool=_tool(words) if words["kind"] == "tool" else None,
            node=_node(words),
            counted=words.get("counted", True),
            resources=Resources(**words["used"]) if "used" in words else None,
        )


def _usage(words: dict[str, Any]) -> Usage | None:
    if words["kind"] not in BILLED_BY_TOKEN or words.get("no_usage"):
        return None
    fresh, output = words.get("input", 10), words.get("output", 5)
    images, drawn = words.get("images"), words.get("drawn")
    return Usage(
        fresh,
        output,
        cache_read_tokens=words.get("cached", 0),
        reasoning_tokens=words.get("thoughts", 0),
        tool_use_tokens=words.get("tool_use", 0),
        grounding_queries=words.get("searches", 0),
        input_modalities=ModalityTokens(text=fresh - images, image=images) if images is not None else None,
        output_modalities=ModalityTokens(image=drawn) if drawn is not None else None,
    )


def _inference(words: dict[str, Any]) -> Inference | None:
    if words["kind"] not in BILLED_BY_TOKEN:
        return None
    chain = tuple(FINGERPRINTER.chain([str(link).encode() for link in words.get("messages", [])]))
    request = words.get("request", words.get("messages"))
    first = words.get("first_chunk")
    return Inference(
        provider=words.get("provider", "gcp.gemini"),
        request_model=words["name"],
        response_model=words.get("answered_by"),
        streamed=words.get("streamed", first is not None),
        time_to_first_chunk_ns=None if first is None else round(float(first) * SECOND_NS),
        finish_reasons=tuple(words.get("finish", ("stop",))),
        request_hash=FINGERPRINTER.value(request) if request is not None else None,
        prefix_hashes=chain,
        response_hash=FINGERPRINTER.value(words["answer"]) if "answer" in words else None,
        response_kind=words.get("answers", "text"),
        attempts=words.get("attempts", 1),
        prefix_sizes=tuple(words.get("sizes", ())),
        request_size=words.get("size", words["sizes"][-1] if words.get("sizes") else None),
        function_calls=words.get("calls"),
        uses=tuple(format(span, "016x") for span in words["uses"]) if "uses" in words else None,
        rate_limited=words.get("rate_limited", 0),
        retry_wait_ns=round(float(words.get("waited", 0)) * SECOND_NS),
        instructions_unknown=words.get("uninstructed", False),
    )


def _node(words: dict[str, Any]) -> NodeStep | None:
    if words["kind"] != "node":
        return None
    state = words.get("state")
    return NodeStep(
        graph=words.get("graph", "graph"),
        step=words.get("step"),
        state_hash=FINGERPRINTER.value(state) if state is not None else None,
        attempts=words.get("attempts", 1),
    )


def _cost(words: dict[str, Any]) -> Cost | None:
    """`usd` as given; `priced: true` takes the price list for the tokens of the model that answered."""
    tier = ServiceTier(words.get("tier", "standard"))
    if words.get("priced"):
        usage = _usage(words)
        assert usage is not None
        model = words.get("answered_by", words["name"])
        return PRICES.price("gcp.gemini", model, usage, tier, when_ns=BEGIN_NS)
    if words.get("unpriced"):
        return Cost(CostStatus.UNPRICED, tier=tier, reason="unknown model")
    return Cost(CostStatus.PRICED, Decimal(words["usd"]), tier=tier) if "usd" in words else None


def _tool(words: dict[str, Any]) -> ToolCall:
    prints = FINGERPRINTER.arguments(words.get("arguments"))
    result, error = words.get("result"), words.get("error")
    return ToolCall(
        arguments_hash=prints.arguments_hash,
        context_hash=prints.context_hash,
        no_arguments=prints.no_arguments,
        result_hash=FINGERPRINTER.value(result) if result is not None else None,
        error_hash=FINGERPRINTER.error(error, words["message"], prints.identifiers) if error is not None else None,
        result_size=words.get("result_size"),
        argument_is_sentence=prints.argument_is_sentence,
    )


def root(start_ns: int, end_ns: int, used: dict[str, Any] | None = None) -> Operation:
    """The root of a run; `used` holds fields of `Resources`."""
    resources = Resources(**used) if used is not None else None
    return Operation(OperationKind.WORKFLOW, "graph", ROOT_ID, start_ns, end_ns, resources=resources)
