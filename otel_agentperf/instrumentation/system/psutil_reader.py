"""Reads with psutil, and the limits of a container from its control group."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from typing import Any

import psutil

from otel_agentperf.instrumentation.system.cgroup import Cgroup
from otel_agentperf.instrumentation.system.readings import Memory

_CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "steal")
_IDLE = ("idle", "iowait")
_LOOPBACK = ("lo", "lo0", "Loopback")


class PsutilReader:
    """Reads this process. Make a new one in a child process.

    Args:
        cgroup: the control group of the process.
    """

    def __init__(self, cgroup: Cgroup | None = None) -> None:
        self._process = psutil.Process()
        self._cgroup = cgroup if cgroup is not None else Cgroup()

    def at_once(self) -> AbstractContextManager[None]:
        """Psutil's `oneshot`."""
        return self._process.oneshot()

    def process_cpu(self) -> Mapping[str, float]:
        """CPU seconds by mode."""
        times = self._process.cpu_times()
        return {"user": times.user, "system": times.system}

    def process_memory(self) -> tuple[int, int]:
        """Bytes of physical and of virtual memory."""
        info = self._process.memory_info()
        return info.rss, info.vms

    def open_files(self) -> int:
        """Open descriptors."""
        return self._process.num_fds()

    def open_files_limit(self) -> int | None:
        """The soft limit of descriptors."""
        import resource  # noqa: PLC0415 - Windows has none

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return soft if soft != resource.RLIM_INFINITY else None

    def threads(self) -> int:
        """Threads of the process."""
        return self._process.num_threads()

    def process_io(self) -> Mapping[str, int]:
        """Bytes by direction; systems such as macOS do not say."""
        counters = self._process.io_counters()
        return {"read": counters.read_bytes, "write": counters.write_bytes}

    def context_switches(self) -> Mapping[str, int]:
        """Context switches by type."""
        switches = self._process.num_ctx_switches()
        return {"voluntary": switches.voluntary, "involuntary": switches.involuntary}

    @cached_property
    def _quota(self) -> float | None:
        """The container's quota of cores, where it is below what the host has."""
        limit = self._cgroup.cpu_limit()
        return limit if limit is not None and limit < self._host_cores else None

    @cached_property
    def _host_cores(self) -> int:
        return psutil.cpu_count() or os.cpu_count() or 1

    def cores(self) -> float:
        """The narrowest of host, quota and affinity."""
        bound: Any = getattr(self._process, "cpu_affinity", None)
        cores = self._host_cores
        if bound is not None:
            with suppress(psutil.Error, NotImplementedError, OSError):
                cores = len(bound()) or cores
        return min(float(cores), self._quota) if self._quota is not None else float(cores)

    def cpu_used(self) -> tuple[float, float]:
        """CPU seconds in use and the cores for it, of the container where it has a quota."""
        if self._quota is not None:
            used = self._cgroup.cpu_used_s()
            if used is None:
                used = sum(self.process_cpu().values())
            return used, self._quota
        times = psutil.cpu_times()
        # A guest's time is in that of the user already.
        busy = sum(getattr(times, mode, 0.0) for mode in (*_CPU_MODES, "softirq") if mode not in _IDLE)
        return busy, float(self._host_cores)

    def host_cpu(self) -> Mapping[str, float]:
        """CPU seconds of the host by the conventions' modes."""
        times = psutil.cpu_times()
        modes = {mode: float(getattr(times, mode)) for mode in _CPU_MODES if hasattr(times, mode)}
        modes["interrupt"] = modes.pop("irq", 0.0) + getattr(times, "softirq", 0.0)
        return modes

    def memory(self) -> Memory:
        """Memory of the container where it has a limit, else of the host."""
        host = psutil.virtual_memory()
        limit, used = self._cgroup.memory_limit(), self._cgroup.memory_used()
        if limit is not None and limit < host.total and used is not None:
            used = min(used, limit)
            return Memory(limit, used, {"used": used, "free": limit - used})
        states = {"used": host.used, "free": host.free}
        cached = max(0, host.total - host.used - host.free)  # buffers too, and what can be taken back of the kernel's
        return Memory(host.total, host.total - host.available, {**states, "cached": cached})

    def host_disk(self) -> Mapping[str, int]:
        """Bytes of all disks by direction."""
        counters = psutil.disk_io_counters()
        if counters is None:
            raise NotImplementedError("no disk is to be seen")
        return {"read": counters.read_bytes, "write": counters.write_bytes}

    def host_network(self) -> Mapping[str, int]:
        """Bytes of all interfaces but loopback by direction."""
        counters = [
            each for name, each in psutil.net_io_counters(pernic=True).items() if not name.startswith(_LOOPBACK)
        ]
        return {
            "receive": sum(each.bytes_recv for each in counters),
            "transmit": sum(each.bytes_sent for each in counters),
        }
