"""What the process and its host use: gauges, a sampler, event loops and garbage collection.

The gauges stand under the names of the system conventions and leave out what
opentelemetry-instrumentation-system-metrics reports already. A thread samples CPU, memory, open
files and threads at an interval (`AGENTPERF_SAMPLE_INTERVAL`, 0 for none), so that an operation
knows what was used while it ran; another one looks what keeps an event loop. A child process
begins anew with its own.

Limits: observable instruments cannot be taken off a meter, so `uninstrument` makes them silent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.metrics import get_meter, get_meter_provider

from otel_agentperf import guard, semconv
from otel_agentperf._version import VERSION
from otel_agentperf.instrumentation.system.readings import Reader
from otel_agentperf.live import auto

if TYPE_CHECKING:
    from otel_agentperf.instrumentation.system.running import Running
    from otel_agentperf.live.pipeline import Pipeline

_logger = logging.getLogger("otel_agentperf")
MakeReader = Callable[[], Reader]


class SystemInstrumentor(BaseInstrumentor):
    """Reports on the process and its host; the entry point `agentperf-system`."""

    _running: Running | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: psutil comes with this package."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        """Begin.

        Args:
            kwargs: `meter_provider`, the global one when absent; `make_reader`, which makes a
                `Reader`, that of psutil when absent.
        """
        active = auto.ensure_pipeline()
        if active is not None:
            self._begin(active, **kwargs)

    @guard.guarded("system.start", None, timed=False)
    def _begin(self, active: Pipeline, **kwargs: Any) -> None:
        try:  # psutil is compiled, and may not load on an unusual system
            from otel_agentperf.instrumentation.system.psutil_reader import PsutilReader  # noqa: PLC0415 - as said
            from otel_agentperf.instrumentation.system.running import Running  # noqa: PLC0415 - as said
        except ImportError as error:
            _logger.warning("otel-agentperf: %s cannot be imported; the system is not observed", error.name)
            return
        provider = kwargs.get("meter_provider") or get_meter_provider()
        meter = get_meter(semconv.SCOPE_SYSTEM, VERSION, provider, semconv.SYSTEM_SCHEMA_URL)
        self._running = Running(active, meter, kwargs.get("make_reader") or PsutilReader)

    def _uninstrument(self, **kwargs: Any) -> None:
        del kwargs
        running, self._running = self._running, None
        if running is not None:
            running.stop()
