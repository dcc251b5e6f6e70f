"""A reader that says what it is told to, and what the instruments say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.resources import Resource

from otel_agentperf.config import load
from otel_agentperf.instrumentation.system import SystemInstrumentor
from otel_agentperf.instrumentation.system.readings import Memory
from otel_agentperf.live import in_process
from otel_agentperf.live.pipeline import Pipeline

GIB = 2**30


class Told:
    """A reader whose parts are set, or raise what they are set to; it counts what it is asked."""

    def __init__(self, **parts: Any) -> None:
        self.parts: dict[str, Any] = {
            "process_cpu": {"user": 3.0, "system": 1.0},
            "process_memory": (GIB, 2 * GIB),
            "open_files": 707,
            "open_files_limit": 1_024,
            "threads": 5_005,
            "process_io": {"read": 100, "write": 200},
            "context_switches": {"voluntary": 10, "involuntary": 2},
            "cores": 2.0,
            "cpu_used": (100.0, 2.0),
            "host_cpu": {"user": 60.0, "system": 40.0, "idle": 300.0},
            "memory": Memory(8 * GIB, 2 * GIB, {"used": 2 * GIB, "free": 5 * GIB, "cached": GIB}),
            "host_disk": {"read": 1_000, "write": 2_000},
            "host_network": {"receive": 3_000, "transmit": 4_000},
            **parts,
        }  # numbers that the process of a test does not have itself
        self.asked: Counter[str] = Counter()

    def _part(self, name: str) -> Any:
        self.asked[name] += 1
        value = self.parts[name]
        if isinstance(value, BaseException):
            raise value
        return value

    def at_once(self) -> AbstractContextManager[None]:
        return nullcontext()

    def process_cpu(self) -> Mapping[str, float]:
        return self._part("process_cpu")

    def process_memory(self) -> tuple[int, int]:
        return self._part("process_memory")

    def open_files(self) -> int:
        return self._part("open_files")

    def open_files_limit(self) -> int | None:
        return self._part("open_files_limit")

    def threads(self) -> int:
        return self._part("threads")

    def process_io(self) -> Mapping[str, int]:
        return self._part("process_io")

    def context_switches(self) -> Mapping[str, int]:
        return self._part("context_switches")

    def cores(self) -> float:
        return self._part("cores")

    def cpu_used(self) -> tuple[float, float]:
        return self._part("cpu_used")

    def host_cpu(self) -> Mapping[str, float]:
        return self._part("host_cpu")

    def memory(self) -> Memory:
        return self._part("memory")

    def host_disk(self) -> Mapping[str, int]:
        return self._part("host_disk")

    def host_network(self) -> Mapping[str, int]:
        return self._part("host_network")


Points = dict[str, list[tuple[dict[str, Any], float]]]


class Observed:
    """The system instrumentation at a meter provider of its own."""

    def __init__(self, meter_provider: MeterProvider, reader: InMemoryMetricReader, active: Pipeline) -> None:
        self.meter_provider = meter_provider
        self.pipeline = active
        self._reader = reader

    def collect(self) -> Points:
        """All points now: attributes and value (a histogram's count) by metric."""
        found: Points = {}
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        assert isinstance(point, (NumberDataPoint, HistogramDataPoint))
                        value = point.count if isinstance(point, HistogramDataPoint) else point.value
                        found.setdefault(metric.name, []).append((dict(point.attributes or {}), value))
        return found


@contextmanager
def observed(reader: Any = None, **settings: Any) -> Generator[Observed]:
    """The system instrumentation on; off afterwards. Without a reader, psutil reads."""
    metrics = InMemoryMetricReader()
    provider = MeterProvider([metrics], resource=Resource.get_empty(), shutdown_on_exit=False)
    active = Pipeline(load({}, fingerprint_key="test", **{"sample_interval": 0.0, **settings}), meter_provider=provider)
    in_process.use(active)
    instrumentor = SystemInstrumentor()
    instrumentor.instrument(meter_provider=provider, **({} if reader is None else {"make_reader": lambda: reader}))
    try:
        yield Observed(provider, metrics, active)
    finally:
        instrumentor.uninstrument()
        provider.shutdown()
        in_process.use(None)
