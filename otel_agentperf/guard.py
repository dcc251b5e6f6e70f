"""The one place where an error of ours stops, so that it never reaches the application.

Every callback that a library or the application runs through us is guarded: an exception
is counted, logged once for each site, and swallowed. Under pytest it is raised again, since
there a swallowed error is a defect nobody sees (`AGENTPERF_GUARD=swallow` turns that off for
tests of the guard itself).

It also keeps the time that is spent inside these callbacks: the wall time of each guarded
function from its start to its end, with what the SDK does in it, which is to start and end our
spans, and to export them where the processor is a simple one. Not in it are the wrappers around
the guarded functions, the context switches around each step of a stream, and exporting in threads
of the SDK's own.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from time import perf_counter_ns
from types import TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")

_logger = logging.getLogger("otel_agentperf")
_lock = threading.RLock()
_errors: Counter[str] = Counter()
_spent_ns = [0]


def _reraises() -> bool:
    return "PYTEST_CURRENT_TEST" in os.environ and os.environ.get("AGENTPERF_GUARD") != "swallow"


def report(site: str, error: BaseException) -> None:
    """Count an internal error and log it the first time that its site meets one.

    Args:
        site: a stable, dotted name of the place, such as ``"langgraph.node"``.
        error: what was caught there.

    Raises:
        BaseException: the error itself, under pytest only.
    """
    with _lock:
        _errors[site] += 1
        first = _errors[site] == 1
    if first:
        # The message of a foreign exception may quote a prompt: its type and place are enough.
        _logger.error(
            "otel-agentperf: internal error at %s (%s, line %s); the application is not affected and this is logged once",
            site,
            type(error).__name__,
            _innermost_place(error),
        )
    if _reraises():
        raise error


def _innermost_place(error: BaseException) -> str:
    traceback: TracebackType | None = error.__traceback__
    place = "?"
    while traceback is not None:
        place = f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def error_counts() -> dict[str, int]:
    """Internal errors so far by site, since the process began."""
    with _lock:
        return dict(_errors)


def _after_fork_in_child() -> None:
    """Begin anew: a thread that the child does not have may hold the lock, and what was counted is the parent's."""
    global _lock  # noqa: PLW0603 - the one lock of this module
    _lock = threading.RLock()
    _errors.clear()
    _spent_ns[0] = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def spend(began_ns: int) -> None:
    """Add the time since `began_ns` (of `perf_counter_ns`) to what is spent inside us."""
    passed_ns = perf_counter_ns() - began_ns
    # No call between reading and writing, hence no other thread: a lock would cost as much as all of this.
    _spent_ns[0] += passed_ns


def spent_ns() -> int:
    """Wall time spent inside our callbacks since the process began."""
    return _spent_ns[0]


def reset() -> None:
    """Forget what was counted, so that the next error of each site is logged again."""
    with _lock:
        _errors.clear()


def guarded(site: str, default: D, *, timed: bool = True) -> Callable[[Callable[P, T]], Callable[P, T | D]]:
    """Make a function return `default` instead of raising, and count the time it takes.

    Args:
        site: the name under which errors are counted and logged.
        default: what the caller gets when the function failed.
        timed: False where it is called within a function whose time is counted, or does next to nothing.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T | D]:
        @wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T | D:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the purpose of this module
                report(site, error)
                return default

        @wraps(function)
        def timed_wrapper(*args: P.args, **kwargs: P.kwargs) -> T | D:
            began_ns = perf_counter_ns()
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the purpose of this module
                report(site, error)
                return default
            finally:
                passed_ns = perf_counter_ns() - began_ns
                _spent_ns[0] += passed_ns  # as in `spend`, without a call

        return timed_wrapper if timed else wrapper

    return decorate
