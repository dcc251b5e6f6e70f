"""The pipeline of this process: one at a time.

It is the processor's, or one made from the settings when an instrumentation needs it first.
"""

from __future__ import annotations

import logging
import os
import threading

from otel_agentperf import config
from otel_agentperf.live.pipeline import Pipeline

_logger = logging.getLogger("otel_agentperf")
_current: Pipeline | None = None
_current_lock = threading.RLock()


def _after_fork_in_child() -> None:
    global _current_lock  # noqa: PLW0603 - the one lock of this module
    _current_lock = threading.RLock()
    if _current is not None:
        _current.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def current() -> Pipeline | None:
    """The pipeline of this process, if anything has switched us on."""
    return _current


def ensure() -> Pipeline:
    """The pipeline of this process, made from the settings on first use.

    Raises:
        SettingsError: a setting is wrong.
    """
    global _current  # noqa: PLW0603 - one pipeline in a process
    with _current_lock:
        if _current is None:
            _current = Pipeline()
        return _current


def begin_with(settings: config.Settings) -> None:
    """Make the pipeline of the process from settings, if there is none yet.

    A pipeline that is at work keeps its own: its sums, sessions and instruments cannot move to
    another one. That is said in the log.

    Raises:
        SettingsError: a setting is wrong.
    """
    global _current  # noqa: PLW0603 - one pipeline in a process
    with _current_lock:
        if _current is None:
            _current = Pipeline(settings)
        elif _current.settings != settings:
            _logger.warning("otel-agentperf: it is switched on already; the settings given now are not used")


def use(pipeline: Pipeline | None) -> None:
    """Make this the pipeline of the process; `None` switches us off."""
    global _current  # noqa: PLW0603 - one pipeline in a process
    with _current_lock:
        _current = pipeline
