"""The recorded Gemini conversations as runs of operations, one run a conversation."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, cast

from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.instrumentation.google_genai.answer import Answer
from otel_agentperf.instrumentation.google_genai.prints import request_prints
from otel_agentperf.model import Inference, Operation, OperationKind, ServiceTier
from otel_agentperf.pricing import interaction_usage
from tests.pricing.recordings import EXCHANGES
from tests.rules.operations import BEGIN_NS, PRICES, ROOT_ID

_FINGERPRINTER = Fingerprinter("recorded")
_KINDS = {
    "generateContent": OperationKind.INFERENCE,
    "streamGenerateContent": OperationKind.INFERENCE,
    "interactions": OperationKind.INFERENCE,
    "batchEmbedContents": OperationKind.EMBEDDINGS,
}
_NS_A_MS = 1_000_000
_UNKNOWN_MS = 1_000


def conversations() -> dict[str, list[Operation]]:
    """The billed exchanges of each recorded conversation, one after another."""
    found: dict[str, list[Operation]] = defaultdict(list)
    now_ns = BEGIN_NS
    for number, line in enumerate(EXCHANGES.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        if row["method"] in _KINDS:
            operation = _operation(row, number, now_ns)
            now_ns = operation.end_ns
            found[row["file"]].append(operation)
    return found


def _operation(row: dict[str, Any], number: int, start_ns: int) -> Operation:
    answer = Answer()
    if row["status"] == 200:
        for body in _bodies(row["response"]):
            _take(answer, row["method"], body)
    prints = request_prints(_FINGERPRINTER, row["request"])
    provider = "gcp.vertex_ai" if row["vertex"] else "gcp.gemini"
    model = row["model"] or row["request"]["model"]
    usage = answer.usage
    return Operation(
        _KINDS[row["method"]],
        model,
        format(number, "016x"),
        start_ns,
        start_ns + (row["server_ms"] or _UNKNOWN_MS) * _NS_A_MS,
        parent_id=ROOT_ID,
        error_type=answer.error_type if row["status"] == 200 else str(row["status"]),
        usage=usage,
        cost=PRICES.price(provider, answer.model or model, usage, answer.tier or ServiceTier.STANDARD, when_ns=BEGIN_NS)
        if usage
        else None,
        inference=Inference(
            provider=provider,
            request_model=model,
            response_model=answer.model,
            finish_reasons=answer.finish_reasons,
            request_hash=prints.hash,
            prefix_hashes=prints.prefix_hashes,
            prefix_sizes=prints.prefix_sizes,
            request_size=prints.size,
            response_hash=answer.print(_FINGERPRINTER),
            response_kind=answer.kind,
            function_calls=answer.function_calls,
        ),
    )


def _bodies(response: Any) -> Iterator[str]:
    if isinstance(response, str):
        data = (line.removeprefix("data:").strip() for line in response.splitlines() if line.startswith("data:"))
        yield from (line for line in data if line.startswith("{"))
    else:
        bodies = cast("list[Any]", response) if isinstance(response, list) else [response]
        yield from map(json.dumps, bodies)


def _take(answer: Answer, method: str, body: str) -> None:
    if method != "interactions":
        answer.take(body)
        return
    event = interaction_usage.decode_event(body if "event_type" in json.loads(body) else f'{{"interaction": {body}}}')
    if event.interaction is not None:
        answer.take_interaction(event.interaction)
