"""Loading the price list beside the program's own start, since it may take half a second.

Without it the first model request would wait for that. A fork waits for the loading to end:
a child in which half a module is loaded, by a thread that it does not have, could never price
anything.
"""

from __future__ import annotations

import os
import threading
from time import time_ns

from otel_agentperf import guard, semconv
from otel_agentperf.pricing import PriceBook

_TYPICAL_MODEL = "gemini-2.5-flash"
_LONGEST_WAIT_S = 5.0
_thread: threading.Thread | None = None
_lock = threading.Lock()


def load_prices(prices: PriceBook) -> None:
    """Begin to load the price list in a thread of its own, once in a process.

    Args:
        prices: the price book that will be asked.
    """
    global _thread  # noqa: PLW0603 - once in a process
    with _lock:
        if _thread is not None:
            return
        _thread = threading.Thread(target=_load, args=(prices,), name="otel-agentperf-prices", daemon=True)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=wait)
        _thread.start()


def wait() -> None:
    """Wait until the price list is loaded, five seconds at most."""
    if _thread is not None and _thread is not threading.current_thread():
        _thread.join(_LONGEST_WAIT_S)


def _load(prices: PriceBook) -> None:
    try:
        prices.quote(semconv.PROVIDER_GEMINI, _TYPICAL_MODEL, when_ns=time_ns())
    except Exception as error:  # noqa: BLE001 - the first request will meet the same and report it
        guard.report("prices.load", error)
