"""What runs and agents used of CPU and memory, in words and rows that every form of a report shows."""

from __future__ import annotations

from collections.abc import Iterator

from otel_agentperf.analysis.figures import Figures, ResourceUse
from otel_agentperf.report.text import UNKNOWN, counted, seconds

TITLES = ("agent", "CPU", "at most", "this process", "memory", "at most", "grew by", "blocked loop")
MAX_ROWS = 10
_MIB = 2**20


def facts(figures: Figures) -> Iterator[str]:
    """What was in use while the runs as a whole ran; nothing where it was not sampled."""
    whole = figures.resources
    if whole is None or not whole.samples:
        return
    if whole.cpu_percent is not None:
        own = f", {_percent(whole.own_cpu_percent)} by this process" if whole.own_cpu_percent is not None else ""
        yield f"CPU {_percent(whole.cpu_percent)} on average, {_percent(whole.cpu_percent_max)} at most{own}"
        if whole.cpu_spikes:
            yield f"{counted(whole.cpu_spikes, 'sample')} above 80 % CPU"
    if whole.memory_percent is not None:
        yield f"memory {_percent(whole.memory_percent)} on average, {_percent(whole.memory_percent_max)} at most"
        if whole.memory_spikes:
            yield f"{counted(whole.memory_spikes, 'sample')} above 85 % memory"
    if whole.memory_bytes_max is not None:
        yield f"this process {whole.memory_bytes_max / _MIB:,.0f} MiB"
    if whole.open_files_max is not None:
        yield counted(whole.open_files_max, "open file")
    if whole.threads_max is not None:
        yield counted(whole.threads_max, "thread")


def rows(figures: Figures) -> list[tuple[str, ...]]:
    """One row for each agent, in the order of `TITLES`; its name is not yet cleaned."""
    return [_row(each) for each in figures.resources_by_agent[:MAX_ROWS]]


def _row(used: ResourceUse) -> tuple[str, ...]:
    return (
        used.name,
        _percent(used.cpu_percent),
        _percent(used.cpu_percent_max),
        _percent(used.own_cpu_percent),
        _percent(used.memory_percent),
        _percent(used.memory_percent_max),
        f"{used.memory_growth_bytes / _MIB:,.1f} MiB" if used.samples else UNKNOWN,
        seconds(used.blocked_s) if used.blocked_s else "",
    )


def _percent(percent: float | None) -> str:
    return UNKNOWN if percent is None else f"{percent:.0f} %"
