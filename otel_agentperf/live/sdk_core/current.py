"""Where OpenTelemetry keeps the current span in a context.

`get_current_span` asks whether what it finds is a `Span`, an abstract class: most of its 3,000
instructions, and a request with its node needs it a dozen times. What stands under the key was
put there by `set_span_in_context`, which takes nothing but spans.
"""

from __future__ import annotations

from typing import cast

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

(SPAN_KEY,) = set_span_in_context(INVALID_SPAN, Context())
"""The key, learnt by a public call: it has a random part."""


def span_in(context: Context) -> Span:
    """The current span of a context, an invalid one where there is none."""
    return cast("Span", context.get(SPAN_KEY, INVALID_SPAN))
