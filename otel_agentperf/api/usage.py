"""Model requests that were made by other means than are instrumented."""

from __future__ import annotations

from time import time_ns

from opentelemetry import context as context_api
from opentelemetry.trace import SpanKind

from otel_agentperf import guard, semconv
from otel_agentperf.api.refusals import refuse, shown
from otel_agentperf.api.switching import active_pipeline, switch
from otel_agentperf.live import frames
from otel_agentperf.live.answers import Pieces
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.model import Cost, CostStatus, Inference, OperationKind, ServiceTier, Usage


def record_model_usage(
    model: str,
    *,
    input_tokens: int | None,
    output_tokens: int | None,
    provider: str = semconv.PROVIDER_GEMINI,
    cache_read_tokens: int = 0,
    reasoning_tokens: int = 0,
    start_time_ns: int | None = None,
) -> None:
    """Report a model request that was made by other means, as a priced inference span.

    Args:
        model: the model's name, as its provider spells it.
        input_tokens: all input tokens, cached ones included; `None` where they are unknown.
        output_tokens: all output tokens, reasoning included; `None` where they are unknown.
        provider: `gen_ai.provider.name`, such as ``"gcp.gemini"`` or ``"openai"``.
        cache_read_tokens: the cached part of the input tokens.
        reasoning_tokens: the reasoning part of the output tokens.
        start_time_ns: when the request began, Unix nanoseconds; now when absent.

    Where tokens are unknown, the request is counted and its cost is unknown. Numbers that cannot
    be (negative ones, a part larger than its whole) are said in the log and not recorded.
    """
    parts = (input_tokens, output_tokens, cache_read_tokens, reasoning_tokens)
    if not _make_sense(*parts):
        allowed = "whole numbers from 0 up, cached and reasoning tokens as parts of the others"
        refuse("record_model_usage", f"tokens={', '.join(map(shown, parts))}", allowed)
        return
    usage = None
    if input_tokens is not None and output_tokens is not None:
        usage = Usage(input_tokens, output_tokens, cache_read_tokens, reasoning_tokens)
    try:
        _record(str(model), provider, usage, start_time_ns)
    except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
        guard.report("api.record_model_usage", error)


def _make_sense(input_tokens: object, output_tokens: object, cached: object, reasoning: object) -> bool:
    for whole, part in ((input_tokens, cached), (output_tokens, reasoning)):
        if not isinstance(part, int) or not isinstance(whole, (int, type(None))):
            return False
        if part < 0 or (whole is not None and part > whole):
            return False
    return True


def _record(model: str, provider: str, usage: Usage | None, start_time_ns: int | None) -> None:
    active = active_pipeline()
    if active is None:
        return
    start_ns = start_time_ns if start_time_ns is not None else time_ns()
    context = context_api.get_current()
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OP_GENERATE_CONTENT,
        semconv.PROVIDER_NAME: provider,
        semconv.REQUEST_MODEL: model,
    }
    span_name = f"{semconv.OP_GENERATE_CONTENT} {model}"
    frame = switch.start(
        active,
        OperationKind.INFERENCE,
        model,
        span_name,
        attributes,
        start_ns,
        context,
        frames.current(context),
        span_kind=SpanKind.CLIENT,
    )
    if frame is None:
        return
    frame.answers.keep(frame.span_id, Pieces())  # what it answered is not known
    if usage is None:
        cost = Cost(CostStatus.UNPRICED, reason="the tokens are unknown")
    else:
        cost = active.prices.price(provider, model, usage, ServiceTier.STANDARD, when_ns=start_ns)
    active.close(frame, {}, usage=usage, cost=cost, inference=Inference(provider, model))
