"""Actions of an agent that are no tools."""

from __future__ import annotations

from contextvars import Token
from time import time_ns
from typing import Any

from opentelemetry import context as context_api
from opentelemetry.context import Context

from otel_agentperf import guard, semconv
from otel_agentperf.api.budgeting import hold_budgets
from otel_agentperf.api.spanned import Spanned, how_it_ended
from otel_agentperf.api.switching import active_pipeline, switch
from otel_agentperf.fingerprint import ArgumentPrints, canonical_bytes
from otel_agentperf.live import frames
from otel_agentperf.live.attributes import Attributes
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import OperationKind, ToolCall

_NO_RESULT = object()


class action(Spanned):  # noqa: N801 - reads as a statement, `with action("click"):`
    """Marks an action of an agent that is no tool, as an `execute_action` span.

    As a decorator it fingerprints the call's arguments and result, so that repeats are found;
    as a context manager it knows what it is given. Nothing but fingerprints is recorded.

    Args:
        name: the action, low in cardinality, such as ``"click"``.
        arguments: what it acts on, for a context manager.
    """

    def __init__(self, name: str, *, arguments: Any = None) -> None:
        self._name = name
        self._arguments = arguments
        self._has_arguments = arguments is not None
        self._result: Any = _NO_RESULT
        self._pipeline: Pipeline | None = None
        self._frame: Frame | None = None
        self._token: Token[Context] | None = None
        self._prints = ArgumentPrints()

    def result(self, value: Any) -> None:
        """Say what the action came to, so that a repeat with the same result is recognised."""
        self._result = value

    def _fresh(self, arguments: Any) -> action:
        use = action(self._name)
        use._arguments, use._has_arguments = arguments, True
        return use

    def begin(self) -> None:
        """Begin one use."""
        hold_budgets()
        try:
            self._open()
        except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
            guard.report("api.action.open", error)

    def _open(self) -> None:
        active = active_pipeline()
        if active is None:
            return
        start_ns = time_ns()
        context = context_api.get_current()
        attributes: Attributes = {
            semconv.OPERATION_NAME: semconv.OP_EXECUTE_ACTION,
            semconv.TOOL_NAME: self._name,
        }
        if self._has_arguments:
            self._prints = active.fingerprinter.arguments(self._arguments)
        span_name = f"{semconv.OP_EXECUTE_ACTION} {self._name}"
        parent = frames.current(context)
        frame = switch.start(active, OperationKind.TOOL, self._name, span_name, attributes, start_ns, context, parent)
        if frame is not None:
            self._pipeline, self._frame = active, frame
            self._token = context_api.attach(frames.enter(frame, context))

    def end(self, result: Any, error: BaseException | None) -> None:
        """End it, with what came of it."""
        try:
            self._close(result, error)
        except Exception as failure:  # noqa: BLE001 - an error of ours must not reach the program
            guard.report("api.action.close", failure)

    def _close(self, result: Any, error: BaseException | None) -> None:
        active, frame = self._pipeline, self._frame
        if active is None or frame is None or self._token is None:
            return
        self._frame = None
        context_api.detach(self._token)
        failed, outcome = how_it_ended(error)
        value = self._result if self._result is not _NO_RESULT else result
        encoded = canonical_bytes(value) if value is not None and error is None else None
        prints = self._prints
        active.close(
            frame,
            {},
            error_type=failed,
            outcome=outcome,
            tool=ToolCall(
                prints.arguments_hash,
                prints.context_hash,
                active.fingerprinter.digest(encoded) if encoded is not None else None,
                active.fingerprinter.error(failed, str(error), prints.identifiers) if failed is not None else None,
                prints.no_arguments,
                (len(value) if isinstance(value, str) else len(encoded)) if encoded is not None else None,
                prints.argument_is_sentence,
            ),
        )
