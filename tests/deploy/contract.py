"""The metrics that this package exports, under the names that Prometheus has for them."""

from __future__ import annotations

from functools import cache
from typing import Any

from opentelemetry.metrics import Histogram, Meter, MeterProvider, NoOpMeter

from otel_agentperf import config, semconv
from otel_agentperf.instrumentation.system import SystemInstrumentor
from otel_agentperf.live import in_process
from otel_agentperf.live.pipeline import Pipeline

ENDINGS = {"s": "_seconds", "By": "_bytes", "USD": "_USD", "1": ""}
LABELS_OF_PROMETHEUS = {"job", "instance", "le", "exporter", "receiver", "alertname", "alertstate", "severity"}
OF_SYSTEM_METRICS = {"process_open_file_descriptor_count"}
"""What opentelemetry-instrumentation-system-metrics reports in our place; the stack tests see it do so."""
LABELS_OF_SYSTEM_METRICS = {"state", "type", "direction"}


class Recorder(MeterProvider):
    """Remembers which instruments were made."""

    def __init__(self) -> None:
        self.made: dict[str, tuple[str, str]] = {}
        """Kind and unit by name."""

    def get_meter(self, name: str, *args: Any, **kwargs: Any) -> Meter:
        return _Meter(name, self.made)


class _Meter(NoOpMeter):
    def __init__(self, name: str, made: dict[str, tuple[str, str]]) -> None:
        super().__init__(name)
        self._made = made

    def create_histogram(self, name: str, unit: str = "", *args: Any, **kwargs: Any) -> Histogram:
        self._made[name] = ("histogram", unit)
        return super().create_histogram(name, unit)

    def create_observable_counter(self, name: str, callbacks: Any = None, unit: str = "", description: str = "") -> Any:
        self._made[name] = ("counter", unit)
        return super().create_observable_counter(name, callbacks, unit, description)

    def create_observable_up_down_counter(
        self, name: str, callbacks: Any = None, unit: str = "", description: str = ""
    ) -> Any:
        self._made[name] = ("up_down_counter", unit)
        return super().create_observable_up_down_counter(name, callbacks, unit, description)

    def create_observable_gauge(self, name: str, callbacks: Any = None, unit: str = "", description: str = "") -> Any:
        self._made[name] = ("gauge", unit)
        return super().create_observable_gauge(name, callbacks, unit, description)


@cache
def instruments() -> dict[str, tuple[str, str]]:
    """Kind and unit of every instrument, by its OpenTelemetry name."""
    recorder = Recorder()
    in_process.use(Pipeline(config.Settings(), meter_provider=recorder))
    try:
        system = SystemInstrumentor()
        system.instrument(meter_provider=recorder)
        system.uninstrument()
    finally:
        in_process.use(None)
    return recorder.made


def prometheus_names(name: str, kind: str, unit: str) -> set[str]:
    """What the Collector's Prometheus exporter calls the series of an instrument."""
    bare = name.replace(".", "_")
    base = f"{bare}{'' if unit.startswith('{') else ENDINGS[unit]}"
    match kind:
        case "counter":
            return {f"{base}_total"}
        case "histogram":
            return {f"{base}_bucket", f"{base}_sum", f"{base}_count"}
        case "gauge" if unit == "1":
            return {f"{base}_ratio"}
        case _:
            return {base}


def exported_names() -> set[str]:
    """Every metric that this package exports, as Prometheus calls it."""
    return {one for name, (kind, unit) in instruments().items() for one in prometheus_names(name, kind, unit)}


def attribute_labels() -> set[str]:
    """Every attribute of ours and of the conventions that we write, as a label of Prometheus."""
    constants = (value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str))
    return {value.replace(".", "_") for value in constants}
