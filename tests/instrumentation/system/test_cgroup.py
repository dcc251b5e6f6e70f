from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from otel_agentperf.instrumentation.system.cgroup import Cgroup
from otel_agentperf.instrumentation.system.psutil_reader import PsutilReader

MIB = 2**20


def written(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def v2(root: Path, group: str = "", **files: str) -> Path:
    """A group of version 2; `cpu_max` stands for `cpu.max`."""
    named = {name.replace("_", ".", 1): text for name, text in files.items()}
    named["cgroup.controllers"] = "cpu memory\n"
    return written(root, {f"sys/fs/cgroup/{group}/{name}": text for name, text in named.items()})


def v1(root: Path, **files: str) -> Path:
    """Groups of version 1, as they are mounted into a container: the path is the host's."""
    written(root, {"proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/system\n"})
    cpu = {"cfs_quota_us": "cpu.cfs_quota_us", "cfs_period_us": "cpu.cfs_period_us", "usage": "cpuacct.usage"}
    memory = {"limit": "memory.limit_in_bytes", "used": "memory.usage_in_bytes", "stat": "memory.stat"}
    return written(
        root,
        {f"sys/fs/cgroup/cpu,cpuacct/{name}": files[key] for key, name in cpu.items() if key in files}
        | {f"sys/fs/cgroup/memory/{name}": files[key] for key, name in memory.items() if key in files},
    )


def test_a_container_of_version_2_has_its_quota_and_its_limit(tmp_path: Path) -> None:
    v2(
        tmp_path,
        cpu_max="50000 100000\n",
        cpu_stat="usage_usec 2500000\nuser_usec 2000000\n",
        memory_max=f"{512 * MIB}\n",
        memory_current=f"{300 * MIB}\n",
        memory_stat=f"anon 1\ninactive_file {100 * MIB}\n",
    )
    group = Cgroup(written(tmp_path, {"proc/self/cgroup": "0::/\n"}))
    assert (group.cpu_limit(), group.cpu_used_s()) == (0.5, 2.5)
    assert (group.memory_limit(), group.memory_used()) == (512 * MIB, 200 * MIB)


def test_a_container_of_version_1_has_its_quota_and_its_limit(tmp_path: Path) -> None:
    group = Cgroup(
        v1(
            tmp_path,
            cfs_quota_us="150000\n",
            cfs_period_us="100000\n",
            usage="3000000000\n",
            limit=f"{256 * MIB}\n",
            used=f"{200 * MIB}\n",
            stat=f"cache 5\ntotal_inactive_file {20 * MIB}\n",
        )
    )
    assert (group.cpu_limit(), group.cpu_used_s()) == (1.5, 3.0)
    assert (group.memory_limit(), group.memory_used()) == (256 * MIB, 180 * MIB)


def test_the_narrowest_limit_up_the_hierarchy_holds(tmp_path: Path) -> None:
    v2(tmp_path, "pod", cpu_max="100000 100000", memory_max=str(64 * MIB))
    v2(tmp_path, "pod/app", cpu_max="400000 100000", memory_max="max", memory_current="5000")
    group = Cgroup(written(tmp_path, {"proc/self/cgroup": "0::/pod/app\n"}))
    assert (group.cpu_limit(), group.memory_limit(), group.memory_used()) == (1.0, 64 * MIB, 5000)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu_max": "max 100000", "memory_max": "max"},
        {"cpu_max": "nonsense", "memory_max": "-1"},
        {"cpu_max": "", "memory_max": ""},
    ],
)
def test_without_a_limit_there_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    group = Cgroup(v2(tmp_path, **files))
    assert (group.cpu_limit(), group.memory_limit()) == (None, None)


def test_no_quota_of_version_1_is_no_limit(tmp_path: Path) -> None:
    group = Cgroup(v1(tmp_path, cfs_quota_us="-1", cfs_period_us="100000", limit="9223372036854771712"))
    assert group.cpu_limit() is None
    assert PsutilReader(group).memory().limit == psutil.virtual_memory().total, "more than the host has is none"


def test_where_there_are_no_groups_everything_is_unknown(tmp_path: Path) -> None:
    group = Cgroup(tmp_path)
    assert (group.cpu_limit(), group.cpu_used_s(), group.memory_limit(), group.memory_used()) == (None,) * 4


def test_within_a_quota_the_cpu_in_use_is_the_containers(tmp_path: Path) -> None:
    reader = PsutilReader(Cgroup(v2(tmp_path, cpu_max="10000 100000", cpu_stat="usage_usec 7000000")))
    assert reader.cpu_used() == (7.0, 0.1)
    assert reader.cores() == 0.1


def test_a_quota_whose_use_cannot_be_read_goes_by_this_process(tmp_path: Path) -> None:
    reader = PsutilReader(Cgroup(v2(tmp_path, cpu_max="10000 100000")))
    used_s, cores = reader.cpu_used()
    assert cores == 0.1
    assert 0 < used_s <= sum(reader.process_cpu().values())


def test_a_quota_of_more_than_the_host_has_is_none(tmp_path: Path) -> None:
    reader = PsutilReader(Cgroup(v2(tmp_path, cpu_max="999900000 100000")))
    assert reader.cpu_used()[1] == psutil.cpu_count()


def test_within_a_limit_memory_is_the_containers(tmp_path: Path) -> None:
    memory = PsutilReader(Cgroup(v2(tmp_path, memory_max=str(MIB), memory_current="1000"))).memory()
    assert (memory.limit, memory.used) == (MIB, 1000)
    assert memory.states == {"used": 1000, "free": MIB - 1000}
