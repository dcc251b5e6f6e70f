"""What an evaluation result (`gen_ai.evaluation.result`) says of the run that it is about."""

from __future__ import annotations

from otel_agentperf import semconv
from otel_agentperf.reading import values
from otel_agentperf.reading.values import Attributes

_PASS = frozenset({"pass", "passed", "success", "succeeded", "correct", "true", "relevant"})
_FAIL = frozenset({"fail", "failed", "failure", "incorrect", "false", "error"})


def evaluation(attributes: Attributes) -> tuple[bool | None, float | None]:
    """Whether the run succeeded, and its score; `None` for what the result does not say.

    A label from the usual words for passing and failing decides success; a score is kept as it is,
    since its scale is the evaluator's own. One beyond 64 bits is none.

    Args:
        attributes: those of the event.
    """
    label = str(attributes.get(semconv.EVALUATION_LABEL, "")).strip().lower()
    success = True if label in _PASS else False if label in _FAIL else None
    return success, values.signed(attributes, semconv.EVALUATION_SCORE)
