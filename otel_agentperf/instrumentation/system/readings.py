"""What is read of the process and its host, and by whom: a `Reader`, which tests replace.

Each part is read by itself, so that one that is denied, missing or not there on this system
leaves out what depends on it and nothing else. It is counted and logged the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, TypeVar

from otel_agentperf import guard

T = TypeVar("T")
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of the host or of the container, in bytes."""

    limit: int
    """All there is."""
    used: int
    """What cannot be given to anyone at once: the limit less what is available."""
    states: Mapping[str, int]
    """By `system.memory.state`; they add up to the limit."""


class Reader(Protocol):
    """Reads what one process, and the host or container around it, use. Everything may raise."""

    def at_once(self) -> AbstractContextManager[None]:
        """Within it, what several parts need of the system is read once."""
        ...

    def process_cpu(self) -> Mapping[str, float]:
        """CPU seconds of the process by mode, `user` and `system`."""
        ...

    def process_memory(self) -> tuple[int, int]:
        """Bytes of physical and of virtual memory."""
        ...

    def open_files(self) -> int:
        """Open descriptors."""
        ...

    def open_files_limit(self) -> int | None:
        """How many descriptors the process may have; `None` without a limit."""
        ...

    def threads(self) -> int:
        """Threads of the process."""
        ...

    def process_io(self) -> Mapping[str, int]:
        """Bytes read from and written to disks, by `read` and `write`."""
        ...

    def context_switches(self) -> Mapping[str, int]:
        """By `voluntary` and `involuntary`."""
        ...

    def cores(self) -> float:
        """The cores that the process may use: those of the host, fewer where it is bound to some or has a quota."""
        ...

    def cpu_used(self) -> tuple[float, float]:
        """CPU seconds that all processes of the host, or of a container with a quota, have used, and the cores for it."""
        ...

    def host_cpu(self) -> Mapping[str, float]:
        """CPU seconds of the host by mode, over all cores."""
        ...

    def memory(self) -> Memory:
        """Memory of the container where it has a limit, else of the host."""
        ...

    def host_disk(self) -> Mapping[str, int]:
        """Bytes of all disks by `read` and `write`."""
        ...

    def host_network(self) -> Mapping[str, int]:
        """Bytes of all interfaces but loopback by `receive` and `transmit`."""
        ...


class Parts:
    """Reads single parts, and counts the first error of each."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._failed: set[str] = set()

    def read(self, name: str, part: Callable[[], T]) -> T | None:
        """Read one part; `None` where it cannot be.

        Args:
            name: of the part, for the count of errors.
            part: reads it.
        """
        try:
            return part()
        except Exception as error:  # noqa: BLE001 - psutil raises its own, OSError, NotImplementedError and more
            if name not in self._failed:
                self._failed.add(name)
                guard.report(f"system.{name}", error)
            return None


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything at one moment. `None` where it could not be read, or nobody asks for it."""

    at_s: float
    """By the monotonic clock."""
    process_cpu: Mapping[str, float] | None
    process_memory: tuple[int, int] | None
    open_files: int | None
    threads: int | None
    process_io: Mapping[str, int] | None
    context_switches: Mapping[str, int] | None
    cores: float | None
    host_cpu: Mapping[str, float] | None
    memory: Memory | None
    host_disk: Mapping[str, int] | None
    host_network: Mapping[str, int] | None


def take(parts: Parts, clock: Callable[[], float] = monotonic) -> Reading:
    """Read everything at once."""
    reader, read = parts.reader, parts.read
    with at_once(parts):
        return Reading(
            clock(),
            read("process_cpu", reader.process_cpu),
            read("process_memory", reader.process_memory),
            read("open_files", reader.open_files),
            read("threads", reader.threads),
            read("process_io", reader.process_io),
            read("context_switches", reader.context_switches),
            read("cores", reader.cores),
            read("host_cpu", reader.host_cpu),
            read("memory", reader.memory),
            read("host_disk", reader.host_disk),
            read("host_network", reader.host_network),
        )


def at_once(parts: Parts) -> AbstractContextManager[None]:
    """The reader's `at_once`, or nothing where that fails."""
    return parts.read("at_once", parts.reader.at_once) or nullcontext()
