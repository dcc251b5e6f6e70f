"""Public calls of the SDK, done at their core: attributes onto a span, and `Histogram.record`.

Together they were a third of what we add to a request: the SDK cleans every value of every call
again, and hashes the attributes of every measurement. What comes from here is clean by its type,
and the attributes of a series are the same each time, so that the core alone comes to the same.

These cores are private. Each is tried against its public call once, on a provider of its own,
and taken only where both come to the same; never for spans and instruments that are not the
SDK's own, nor where limits of attributes would have to be kept.
"""

from __future__ import annotations

from otel_agentperf.live.sdk_core.attributes import CleanAttributes, CleanValue, set_attributes
from otel_agentperf.live.sdk_core.histograms import Series
from otel_agentperf.live.sdk_core.starting import looks_at_no_start, start_span

__all__ = ["CleanAttributes", "CleanValue", "Series", "looks_at_no_start", "set_attributes", "start_span"]
