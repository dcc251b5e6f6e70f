"""What opentelemetry-instrumentation-system-metrics reports already, so that it is not reported twice.

Its configuration decides what it registers, and it may be switched on after us, so the meter that
it made its instruments with is asked at each collection. Uninstrumenting it removes none of them.
It steps on no toes where it reports to another meter provider.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, cast

from otel_agentperf import semconv

_MODULE, _CLASS = "opentelemetry.instrumentation.system_metrics", "SystemMetricsInstrumentor"
_OTHER_NAMES = {"process.open_file_descriptor.count": semconv.METRIC_PROCESS_FILE_DESCRIPTORS}
_NOTHING: frozenset[str] = frozenset()


def reported(own_meter: object) -> frozenset[str]:
    """Names of the instruments, as we call them, that the peer has registered at our meter's provider.

    Args:
        own_meter: the meter of our instruments.
    """
    peer = getattr(getattr(sys.modules.get(_MODULE), _CLASS, None), "_instance", None)
    meter = _real(getattr(peer, "_meter", None))
    if meter is None or _consumer(meter) is not _consumer(_real(own_meter)):
        return _NOTHING
    ids = cast("Iterable[str]", getattr(meter, "_instrument_ids", ()))
    names = {each.partition(",")[0] for each in list(ids)}
    return frozenset(_OTHER_NAMES.get(name, name) for name in names)


def _real(meter: Any) -> Any:
    """The meter behind one that was made before there was a provider."""
    return getattr(meter, "_real_meter", None) or meter


def _consumer(meter: Any) -> object:
    return getattr(meter, "_measurement_consumer", None)
