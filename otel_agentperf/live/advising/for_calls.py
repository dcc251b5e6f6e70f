"""What the advisor of the process says of one request, for the seam that applies it.

A time-out is applied only where it was learned from the tail of the past, never the one that
stands in for it; the model whatever it rests on, since a trial follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentperf.advice.applying import Advised
from otel_agentperf.baselines.normals import Subject, SubjectKind
from otel_agentperf.live.frames import Frame

if TYPE_CHECKING:
    from otel_agentperf.live.pipeline import Pipeline

_LEARNED = "learned"


class PipelinesAdvisor:
    """Asks the advisor and the baseline of a pipeline.

    Args:
        pipeline: theirs; it may be still in the making.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def for_call(self, frame: Frame, asked: str, allowed: tuple[str, ...]) -> Advised:
        """What to do with a request that is made in a frame."""
        may_be = allowed if asked in allowed else (*allowed, asked)
        told = self._pipeline.advisor.for_request(frame, allowed=may_be)
        limit = told.timeout_s
        return Advised(told.model.value, limit.value if limit.source == _LEARNED else None)

    def seen(self, graph: str, node: str, model: str) -> int:
        """How many requests of this model the node was seen to make."""
        normals = self._pipeline.learned
        if normals is None:
            return 0
        outcomes = normals.outcomes(Subject(SubjectKind.NODE_MODEL, model, graph, node))
        return outcomes.samples if outcomes is not None else 0
