"""What a container may use of its host, and what it uses: control groups of Linux, version 1 and 2.

Only a limit below what the host has counts as one. Limits hold down the hierarchy, so the
narrowest of a group and those above it is taken. Memory in use is the working set, as the kubelet
reckons it: what can be dropped at once (inactive files) is left out. What cannot be read is
`None`, so on other systems, and outside of a container, everything here is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")
_UNLIMITED = "max"
_V1_CPU = ("cpu,cpuacct", "cpuacct,cpu", "cpu", "cpuacct")


class Cgroup:
    """The control group of this process.

    Args:
        root: where `proc` and `sys` lie.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        mount = root / "sys/fs/cgroup"
        paths = _paths(root / "proc/self/cgroup")
        unified = [mount, mount / "unified"]
        self._v2 = [each for base in unified for each in _upwards(base, paths.get("", "/")) if _has(each, "cgroup.")]
        self._v1_cpu = [
            each
            for controller in _V1_CPU
            for each in _upwards(mount / controller, paths.get("cpu", "/"))
            if each.is_dir()
        ]
        self._v1_memory = [each for each in _upwards(mount / "memory", paths.get("memory", "/")) if each.is_dir()]

    def cpu_limit(self) -> float | None:
        """The cores that it may use, such as 0.5; `None` without a limit."""
        limits = [_v2_cores(each) for each in self._v2] + [_v1_cores(each) for each in self._v1_cpu]
        return min((limit for limit in limits if limit is not None), default=None)

    def cpu_used_s(self) -> float | None:
        """The CPU time that everything in it has used, in seconds."""
        for group in self._v2:
            used = _table(group / "cpu.stat").get("usage_usec")
            if used is not None:
                return used / 1e6
        for group in self._v1_cpu:
            used = _whole(group / "cpuacct.usage")
            if used is not None:
                return used / 1e9
        return None

    def memory_limit(self) -> int | None:
        """The bytes of memory that it may use; `None` without a limit."""
        limits = [_whole(each / "memory.max") for each in self._v2]
        limits += [_whole(each / "memory.limit_in_bytes") for each in self._v1_memory]
        return min((limit for limit in limits if limit is not None), default=None)

    def memory_used(self) -> int | None:
        """The bytes of memory that it cannot give back at once."""
        for group, usage, droppable in (
            *((each, "memory.current", "inactive_file") for each in self._v2),
            *((each, "memory.usage_in_bytes", "total_inactive_file") for each in self._v1_memory),
        ):
            used = _whole(group / usage)
            if used is not None:
                return max(0, used - _table(group / "memory.stat").get(droppable, 0))
        return None


def _paths(file: Path) -> Mapping[str, str]:
    """The path of the group by controller; that of version 2 under no name."""
    paths: dict[str, str] = {}
    for line in (_text(file) or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """A group and those above it. Inside a container the mount itself may be the group."""
    group = mount / path.strip("/")
    while group != mount and mount in group.parents:
        yield group
        group = group.parent
    yield mount


def _has(group: Path, prefix: str) -> bool:
    with suppress(OSError):
        return any(each.name.startswith(prefix) for each in group.iterdir())
    return False


def _v2_cores(group: Path) -> float | None:
    quota, _, period = (_text(group / "cpu.max") or _UNLIMITED).strip().partition(" ")
    return _cores(quota, period or "100000")


def _v1_cores(group: Path) -> float | None:
    quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
    return _cores(quota.strip(), period.strip()) if quota is not None and period is not None else None


def _cores(quota: str, period: str) -> float | None:
    if not quota.isdecimal() or not period.isdecimal() or not int(quota) or not int(period):
        return None  # `max`, and -1 in version 1
    return int(quota) / int(period)


def _whole(file: Path) -> int | None:
    text = (_text(file) or "").strip()
    return int(text) if text.isdecimal() else None


def _table(file: Path) -> Mapping[str, int]:
    parts = (line.split() for line in (_text(file) or "").splitlines())
    return {part[0]: int(part[1]) for part in parts if len(part) == 2 and part[1].isdecimal()}  # noqa: PLR2004 - name and number


def _text(file: Path) -> str | None:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return None
