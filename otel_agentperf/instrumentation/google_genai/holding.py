"""Budgets, held before a billed request is sent.

That is each request that our spans report, and the making of a context cache, which is paid for
by the hour. What the SDK sends within such a request belongs to it. Asked outside of any guard:
`BudgetExceeded` is meant to reach the program, through the SDK, which retries its own errors only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from otel_agentperf import guard
from otel_agentperf.instrumentation.google_genai.call import CURRENT
from otel_agentperf.instrumentation.google_genai.endpoints import CACHED_CONTENTS, classify
from otel_agentperf.live import budgets
from otel_agentperf.live.pipeline import Pipeline

_NO_BODY: Mapping[str, Any] = {}


def hold(active: Pipeline, http_method: Any, path: Any, request_dict: Any) -> None:
    """Hold the budgets of the current code before it sends a request.

    Raises:
        BudgetExceeded: a budget is used up and has no handler.
        BaseException: whatever its handler raises.
    """
    if CURRENT.get() is None and _is_billed(http_method, path, request_dict):
        budgets.check(active)


@guard.guarded("google_genai.hold", None, timed=False)
def _is_billed(http_method: Any, path: Any, request_dict: Any) -> bool:
    body = cast("Mapping[str, Any]", request_dict) if isinstance(request_dict, Mapping) else _NO_BODY
    if classify(http_method, path, body) is not None:
        return True
    return isinstance(path, str) and path.endswith(CACHED_CONTENTS) and "model" in body
