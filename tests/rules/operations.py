"""Operations from the plain words of a case, through the fingerprints that production uses."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.model import Cost, CostStatus, Operation, OperationKind, ToolCall, Usage

FINGERPRINTER = Fingerprinter("cases")
SECOND_NS = 1_000_000_000


class Clock:
    """Gives each operation the time after the one before."""

    def __init__(self) -> None:
        self._now_ns = SECOND_NS
        self._ids = count(1)

    def operation(self, words: dict[str, Any]) -> Operation:
        """Make one operation; the keys are those of the YAML files beside this one."""
        start_ns = self._now_ns
        self._now_ns += round(float(words.get("seconds", 0)) * SECOND_NS)
        return Operation(
            kind=OperationKind(words["kind"]),
            name=words["name"],
            span_id=format(next(self._ids), "016x"),
            start_ns=start_ns,
            end_ns=self._now_ns,
            agent=words.get("for", ""),
            is_agent=words.get("agent", False),
            error_type=words.get("error"),
            outcome=words.get("outcome"),
            usage=Usage(10, 5) if words["kind"] == "inference" else None,
            cost=_cost(words),
            tool=_tool(words) if words["kind"] == "tool" else None,
            counted=words.get("counted", True),
        )


def _cost(words: dict[str, Any]) -> Cost | None:
    if words.get("unpriced"):
        return Cost(CostStatus.UNPRICED, reason="unknown model")
    return Cost(CostStatus.PRICED, Decimal(words["usd"])) if "usd" in words else None


def _tool(words: dict[str, Any]) -> ToolCall:
    prints = FINGERPRINTER.arguments(words.get("arguments"))
    result, error = words.get("result"), words.get("error")
    return ToolCall(
        arguments_hash=prints.arguments_hash,
        arguments_simhash=prints.arguments_simhash,
        context_hash=prints.context_hash,
        no_arguments=prints.no_arguments,
        result_hash=FINGERPRINTER.value(result) if result is not None else None,
        error_hash=FINGERPRINTER.error(error, words["message"]) if error is not None else None,
    )


def root(start_ns: int, end_ns: int) -> Operation:
    """The root of a run."""
    return Operation(OperationKind.WORKFLOW, "graph", "f" * 16, start_ns, end_ns)
