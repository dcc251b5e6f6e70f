"""Observable instruments of the process and its host, under the names of the system conventions.

All callbacks of one collection share one reading: the first instrument that asks a second time
begins the next. Utilization is the CPU time between two readings a second or more apart, by the
cores that may be used, so a second reader does not shorten it. A part that cannot be read has no
observation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.system import peers
from otel_agentperf.instrumentation.system.readings import Parts, Reading, take

_SHORTEST_S = 1.0
"""Between two readings that utilization is told from."""
_Numbers = Mapping[str, float]


class _Instrument(NamedTuple):
    name: str
    make: Callable[..., object]
    unit: str
    description: str
    attribute: str
    values: Callable[[Reading, Reading], _Numbers | float | None]


class Gauges:
    """The instruments. They cannot be taken off a meter, so they fall silent when switched off.

    Args:
        meter: where they are made.
        parts: what they read.
    """

    def __init__(self, meter: Meter, parts: Parts) -> None:
        self._meter = meter
        self._parts = parts
        self._lock = threading.RLock()
        self._reading: Reading = take(parts)
        self._before: Reading = self._reading
        self._next_before: Reading = self._reading
        self._served: set[str] = set()
        self._taken = True
        self._of_peer: frozenset[str] = frozenset()
        self.is_on = True
        for instrument in _instruments(meter):
            instrument.make(
                instrument.name, [self._callback(instrument)], unit=instrument.unit, description=instrument.description
            )

    def renew(self, parts: Parts) -> None:
        """Begin anew, in a child process.

        Args:
            parts: what is read there.
        """
        self._parts = parts
        self._lock = threading.RLock()
        self._reading = self._before = self._next_before = take(parts)
        self._served.clear()

    def _callback(self, instrument: _Instrument) -> Callable[[CallbackOptions], Iterable[Observation]]:
        @guard.guarded(f"system.gauge.{instrument.name}", ())
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            if not self.is_on:
                return ()
            with self._lock:
                reading, before = self._shared(instrument.name)
                if instrument.name in self._of_peer:
                    return ()
            values = instrument.values(reading, before)
            if values is None:
                return ()
            if isinstance(values, Mapping):
                return [Observation(value, {instrument.attribute: key}) for key, value in values.items()]
            return [Observation(values)]

        return observe

    def _shared(self, name: str) -> tuple[Reading, Reading]:
        """The reading of this collection, and the one to tell changes from."""
        if not self._served or name in self._served:
            self._served.clear()
            self._reading = take(self._parts)
            self._of_peer = peers.reported(self._meter)
            if self._reading.at_s - self._next_before.at_s >= _SHORTEST_S:
                self._before, self._next_before = self._next_before, self._reading
        self._served.add(name)
        return self._reading, self._before


def _instruments(meter: Meter) -> Iterable[_Instrument]:
    counter, gauge = meter.create_observable_counter, meter.create_observable_gauge
    up_down = meter.create_observable_up_down_counter
    return (
        _Instrument(
            semconv.METRIC_PROCESS_CPU_TIME,
            counter,
            "s",
            "CPU time of the process",
            semconv.CPU_MODE,
            lambda now, _: now.process_cpu,
        ),
        _Instrument(
            semconv.METRIC_PROCESS_CPU_UTILIZATION,
            gauge,
            "1",
            "CPU time of the process by time and by the cores that it may use, a container's quota included",
            semconv.CPU_MODE,
            lambda now, before: _utilization(now.process_cpu, before.process_cpu, now, before, now.cores),
        ),
        _Instrument(
            semconv.METRIC_PROCESS_MEMORY_USAGE,
            up_down,
            "By",
            "Physical memory of the process",
            "",
            lambda now, _: now.process_memory[0] if now.process_memory is not None else None,
        ),
        _Instrument(
            semconv.METRIC_PROCESS_MEMORY_VIRTUAL,
            up_down,
            "By",
            "Virtual memory of the process",
            "",
            lambda now, _: now.process_memory[1] if now.process_memory is not None else None,
        ),
        _Instrument(
            semconv.METRIC_PROCESS_FILE_DESCRIPTORS,
            up_down,
            "{file_descriptor}",
            "Open file descriptors of the process",
            "",
            lambda now, _: now.open_files,
        ),
        _Instrument(
            semconv.METRIC_PROCESS_THREADS, up_down, "{thread}", "Threads of the process", "", lambda now, _: now.threads
        ),
        _Instrument(
            semconv.METRIC_PROCESS_DISK_IO,
            counter,
            "By",
            "Bytes that the process read from and wrote to disks",
            semconv.DISK_DIRECTION,
            lambda now, _: now.process_io,
        ),
        _Instrument(
            semconv.METRIC_PROCESS_CONTEXT_SWITCHES,
            counter,
            "{context_switch}",
            "Context switches of the process",
            semconv.CONTEXT_SWITCH_TYPE,
            lambda now, _: now.context_switches,
        ),
        _Instrument(
            semconv.METRIC_SYSTEM_CPU_TIME,
            counter,
            "s",
            "CPU time of the host over all cores",
            semconv.CPU_MODE,
            lambda now, _: now.host_cpu,
        ),
        _Instrument(
            semconv.METRIC_SYSTEM_CPU_UTILIZATION,
            gauge,
            "1",
            "Share of the host's CPU time",
            semconv.CPU_MODE,
            lambda now, before: _shares(now.host_cpu, before.host_cpu),
        ),
        _Instrument(
            semconv.METRIC_SYSTEM_MEMORY_USAGE,
            up_down,
            "By",
            "Memory of the container where it has a limit, else of the host",
            semconv.MEMORY_STATE,
            lambda now, _: now.memory.states if now.memory is not None else None,
        ),
        _Instrument(
            semconv.METRIC_SYSTEM_MEMORY_UTILIZATION,
            gauge,
            "1",
            "Share of the memory of the container where it has a limit, else of the host",
            semconv.MEMORY_STATE,
            lambda now, _: _memory_shares(now),
        ),
        _Instrument(
            semconv.METRIC_SYSTEM_DISK_IO,
            counter,
            "By",
            "Bytes read from and written to all disks of the host",
            semconv.DISK_DIRECTION,
            lambda now, _: now.host_disk,
        ),
        _Instrument(
            semconv.METRIC_SYSTEM_NETWORK_IO,
            counter,
            "By",
            "Bytes that the host received and sent, loopback left out",
            semconv.NETWORK_DIRECTION,
            lambda now, _: now.host_network,
        ),
    )


def _utilization(
    used: _Numbers | None, used_before: _Numbers | None, now: Reading, before: Reading, cores: float | None
) -> _Numbers | None:
    passed_s = now.at_s - before.at_s
    if used is None or used_before is None or not cores or passed_s <= 0:
        return None
    return {mode: max(0.0, seconds - used_before[mode]) / passed_s / cores for mode, seconds in used.items()}


def _shares(used: _Numbers | None, used_before: _Numbers | None) -> _Numbers | None:
    if used is None or used_before is None:
        return None
    spent = {mode: max(0.0, seconds - used_before[mode]) for mode, seconds in used.items()}
    whole = sum(spent.values())
    return {mode: seconds / whole for mode, seconds in spent.items()} if whole else None


def _memory_shares(now: Reading) -> _Numbers | None:
    memory = now.memory
    if memory is None or not memory.limit:
        return None
    return {state: size / memory.limit for state, size in memory.states.items()}
