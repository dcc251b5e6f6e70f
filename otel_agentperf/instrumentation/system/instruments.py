"""The table of observable instruments: names, kinds and units of the system conventions, and what each tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from otel_agentperf import semconv
from otel_agentperf.instrumentation.system.readings import Reading

Numbers = Mapping[str, float]


class Kind(Enum):
    """Of an instrument."""

    COUNTER = "counter"
    UP_DOWN = "up_down"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One observable instrument.

    `values` tells from this reading, and from an earlier one, a number or numbers by the values of
    `attribute`; `None` where they are not known.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    values: Callable[[Reading, Reading], Numbers | float | None]
    attribute: str = ""


def _process_cpu(now: Reading, _before: Reading) -> Numbers | None:
    return now.process_cpu


def _process_utilization(now: Reading, before: Reading) -> Numbers | None:
    used, used_before, passed_s = now.process_cpu, before.process_cpu, now.at_s - before.at_s
    if used is None or used_before is None or not now.cores or passed_s <= 0:
        return None
    return {mode: max(0.0, seconds - used_before[mode]) / passed_s / now.cores for mode, seconds in used.items()}


def _process_memory(now: Reading, _before: Reading) -> int | None:
    return now.process_memory[0] if now.process_memory is not None else None


def _virtual_memory(now: Reading, _before: Reading) -> int | None:
    return now.process_memory[1] if now.process_memory is not None else None


def _open_files(now: Reading, _before: Reading) -> int | None:
    return now.open_files


def _threads(now: Reading, _before: Reading) -> int | None:
    return now.threads


def _process_io(now: Reading, _before: Reading) -> Numbers | None:
    return now.process_io


def _context_switches(now: Reading, _before: Reading) -> Numbers | None:
    return now.context_switches


def _host_cpu(now: Reading, _before: Reading) -> Numbers | None:
    return now.host_cpu


def _host_utilization(now: Reading, before: Reading) -> Numbers | None:
    used, used_before = now.host_cpu, before.host_cpu
    if used is None or used_before is None:
        return None
    spent = {mode: max(0.0, seconds - used_before[mode]) for mode, seconds in used.items()}
    whole = sum(spent.values())
    return {mode: seconds / whole for mode, seconds in spent.items()} if whole else None


def _memory(now: Reading, _before: Reading) -> Numbers | None:
    return now.memory.states if now.memory is not None else None


def _memory_shares(now: Reading, _before: Reading) -> Numbers | None:
    memory = now.memory
    if memory is None or not memory.limit:
        return None
    return {state: size / memory.limit for state, size in memory.states.items()}


def _host_disk(now: Reading, _before: Reading) -> Numbers | None:
    return now.host_disk


def _host_network(now: Reading, _before: Reading) -> Numbers | None:
    return now.host_network


INSTRUMENTS = (
    Instrument(
        semconv.METRIC_PROCESS_CPU_TIME,
        Kind.COUNTER,
        "s",
        "CPU time of the process",
        _process_cpu,
        semconv.CPU_MODE,
    ),
    Instrument(
        semconv.METRIC_PROCESS_CPU_UTILIZATION,
        Kind.GAUGE,
        "1",
        "CPU time of the process by time and by the cores that it may use, a container's quota included",
        _process_utilization,
        semconv.CPU_MODE,
    ),
    Instrument(
        semconv.METRIC_PROCESS_MEMORY_USAGE, Kind.UP_DOWN, "By", "Physical memory of the process", _process_memory
    ),
    Instrument(
        semconv.METRIC_PROCESS_MEMORY_VIRTUAL, Kind.UP_DOWN, "By", "Virtual memory of the process", _virtual_memory
    ),
    Instrument(
        semconv.METRIC_PROCESS_FILE_DESCRIPTORS,
        Kind.UP_DOWN,
        "{file_descriptor}",
        "Open file descriptors of the process",
        _open_files,
    ),
    Instrument(semconv.METRIC_PROCESS_THREADS, Kind.UP_DOWN, "{thread}", "Threads of the process", _threads),
    Instrument(
        semconv.METRIC_PROCESS_DISK_IO,
        Kind.COUNTER,
        "By",
        "Bytes that the process read from and wrote to disks",
        _process_io,
        semconv.DISK_DIRECTION,
    ),
    Instrument(
        semconv.METRIC_PROCESS_CONTEXT_SWITCHES,
        Kind.COUNTER,
        "{context_switch}",
        "Context switches of the process",
        _context_switches,
        semconv.CONTEXT_SWITCH_TYPE,
    ),
    Instrument(
        semconv.METRIC_SYSTEM_CPU_TIME,
        Kind.COUNTER,
        "s",
        "CPU time of the host over all cores",
        _host_cpu,
        semconv.CPU_MODE,
    ),
    Instrument(
        semconv.METRIC_SYSTEM_CPU_UTILIZATION,
        Kind.GAUGE,
        "1",
        "Share of the host's CPU time",
        _host_utilization,
        semconv.CPU_MODE,
    ),
    Instrument(
        semconv.METRIC_SYSTEM_MEMORY_USAGE,
        Kind.UP_DOWN,
        "By",
        "Memory of the container where it has a limit, else of the host",
        _memory,
        semconv.MEMORY_STATE,
    ),
    Instrument(
        semconv.METRIC_SYSTEM_MEMORY_UTILIZATION,
        Kind.GAUGE,
        "1",
        "Share of the memory of the container where it has a limit, else of the host",
        _memory_shares,
        semconv.MEMORY_STATE,
    ),
    Instrument(
        semconv.METRIC_SYSTEM_DISK_IO,
        Kind.COUNTER,
        "By",
        "Bytes read from and written to all disks of the host",
        _host_disk,
        semconv.DISK_DIRECTION,
    ),
    Instrument(
        semconv.METRIC_SYSTEM_NETWORK_IO,
        Kind.COUNTER,
        "By",
        "Bytes that the host received and sent, loopback left out",
        _host_network,
        semconv.NETWORK_DIRECTION,
    ),
)
