"""How a run went, where an exception does not say it."""

from __future__ import annotations

from otel_agentperf import guard
from otel_agentperf.api.refusals import refuse, shown
from otel_agentperf.live import frames

_MOST = 1e12
"""Beyond it the mean of scores is none that anyone reads."""


def outcome(*, success: bool | None = None, score: float | None = None) -> None:
    """Say how the current run went, where an exception does not.

    Args:
        success: whether the run did what it was for; it overrides what errors suggest.
        score: a figure of merit on a scale of your own, from -1e12 to 1e12.
    """
    try:
        frame = frames.current()
        run = frame.run if frame is not None else None
        if run is None:
            return
        if success is not None:
            run.success = bool(success)
        if score is not None:
            run.score = _within_bounds(float(score))
    except (TypeError, ValueError, OverflowError):
        refuse("outcome", f"score={shown(score)}", f"a number from -{_MOST:g} to {_MOST:g}")
    except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
        guard.report("api.outcome", error)


def _within_bounds(score: float) -> float:
    if not -_MOST <= score <= _MOST:
        raise ValueError
    return score
