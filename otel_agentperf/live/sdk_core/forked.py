"""What the SDK holds of a meter's instruments, let go of in a forked child.

The SDK gives a child another `service.instance.id` (1.45 does), and keeps all that it had summed up:
cumulative histograms tell the parent's measurements again, in each child; so do delta ones those that
the parent had not collected yet. An observed sum that begins at zero would come out below zero as a
delta, since the SDK takes off what it saw last. So all of it goes, and each series has a new start.

Limit: the place of it is private. Of an SDK that has it elsewhere, what it holds stays.
"""

# ruff: noqa: SLF001 - the private parts of the SDK are what this is about

from __future__ import annotations

from typing import Any

from opentelemetry.metrics import Meter


def begin_anew(meter: Meter) -> None:
    """Let go of what was measured with a meter's instruments, for every reader.

    Args:
        meter: the SDK's or another; also one that waits for its provider.
    """
    real: Any = getattr(meter, "_real_meter", None) or meter
    consumer: Any = getattr(real, "_measurement_consumer", None)
    scope: Any = getattr(real, "_instrumentation_scope", None)
    for storage in getattr(consumer, "_reader_storages", {}).values():
        for instrument, matches in list(getattr(storage, "_instrument_view_instrument_matches", {}).items()):
            if instrument.instrumentation_scope != scope:
                continue
            for match in matches:
                if hasattr(match, "_attributes_aggregation"):
                    match._attributes_aggregation = {}  # another one, as `histograms` expects
                if getattr(match, "_previous_collection_start_nanos", None) is not None:
                    match._previous_collection_start_nanos = None
