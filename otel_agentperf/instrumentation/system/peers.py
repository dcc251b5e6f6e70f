"""What opentelemetry-instrumentation-system-metrics reports already, so that it is not reported twice.

Its configuration decides what it registers, it may be switched on after us, and uninstrumenting
it takes nothing back. So the instruments that really stand at the meter provider are looked at,
at each collection; what the peer reports to another provider is none of ours. The list of them is
private to the SDK: where it is not there, both report.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from otel_agentperf import semconv

_PEER = "opentelemetry.instrumentation.system_metrics"
_OTHER_NAMES = {"process.open_file_descriptor.count": semconv.METRIC_PROCESS_FILE_DESCRIPTORS}


def reported(own_meter: object) -> frozenset[str]:
    """Names of the instruments, as we call them, that the peer has registered at our meter's provider.

    Args:
        own_meter: the meter of our instruments.
    """
    meter: Any = getattr(own_meter, "_real_meter", None) or own_meter  # one that was made before there was a provider
    registered = getattr(getattr(meter, "_measurement_consumer", None), "_async_instruments", ())
    instruments = cast("Iterable[Any]", registered)
    names: list[str] = [each.name for each in list(instruments) if each.instrumentation_scope.name == _PEER]
    return frozenset(_OTHER_NAMES.get(name, name) for name in names)
