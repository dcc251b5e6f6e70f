"""What runs and agents used of CPU and memory: sums of samples that add up in whatever order they come.

Whole numbers only: percentages in hundredths, each average weighted by its samples.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from otel_agentperf.model import Operation, Resources

MAX_AGENTS = 500
OTHER = "(other)"
"""Who is charged beyond that many."""
_HUNDREDTHS = 100
_GREATEST = frozenset(
    {"cpu_max", "memory_max", "memory_bytes_max", "open_files_max", "threads_max", "blocked_max_ns", "files_limit"}
)


class Used(msgspec.Struct, gc=False):
    """What one run or agent used, by samples. Mutable: operations are added to it."""

    operations: int = 0
    samples: int = 0
    memory_samples: int = 0
    cpu_samples: int = 0
    cpu_sum: int = 0
    """Hundredths of a percent, once a sample."""
    own_cpu_sum: int = 0
    cpu_max: int = 0
    cpu_spikes: int = 0
    memory_sum: int = 0
    memory_max: int = 0
    memory_spikes: int = 0
    memory_bytes_max: int = 0
    memory_growth_bytes: int = 0
    open_files_max: int = 0
    open_files_growth: int = 0
    files_limit: int = 0
    threads_max: int = 0
    threads_growth: int = 0
    blocked_ns: int = 0
    blocked_max_ns: int = 0

    def add(self, used: Resources) -> None:
        """Add what one operation used."""
        cpu_samples, samples = used.cpu_samples, used.samples
        self.operations += 1
        self.samples += samples
        if used.cpu_percent is not None:
            self.cpu_samples += cpu_samples
            self.cpu_sum += _sum(used.cpu_percent, cpu_samples)
            self.own_cpu_sum += _sum(used.own_cpu_percent or 0.0, cpu_samples)
            self.cpu_max = max(self.cpu_max, _sum(used.cpu_percent_max or 0.0, 1))
            self.cpu_spikes += used.cpu_spikes
        if used.memory_percent is not None:
            self.memory_samples += samples
            self.memory_sum += _sum(used.memory_percent, samples)
            self.memory_max = max(self.memory_max, _sum(used.memory_percent_max or 0.0, 1))
            self.memory_spikes += used.memory_spikes
        self.memory_bytes_max = max(self.memory_bytes_max, used.memory_bytes or 0)
        self.memory_growth_bytes += used.memory_bytes_delta or 0
        self.open_files_max = max(self.open_files_max, used.open_files or 0)
        self.open_files_growth += used.open_files_delta or 0
        self.files_limit = max(self.files_limit, used.open_files_limit or 0)
        self.threads_max = max(self.threads_max, used.threads or 0)
        self.threads_growth += used.threads_delta or 0
        self.blocked_ns += used.blocked_ns
        self.blocked_max_ns = max(self.blocked_max_ns, used.blocked_max_ns)

    def merge(self, other: Used) -> None:
        """Add what other operations used."""
        for name in _FIELDS:
            own, more = getattr(self, name), getattr(other, name)
            setattr(self, name, max(own, more) if name in _GREATEST else own + more)


_FIELDS = Used.__struct_fields__


def _sum(percent: float, samples: int) -> int:
    return round(percent * _HUNDREDTHS) * samples


class RunUse(msgspec.Struct, gc=False):
    """What a run used as a whole, and each of its agents while it ran. Mutable, as above."""

    whole: Used = msgspec.field(default_factory=Used)
    agents: dict[str, Used] = {}

    def add(self, operation: Operation, *, is_root: bool = False) -> None:
        """Add an operation that carries resources; what is neither the root nor an agent adds nothing."""
        used = operation.resources
        if used is None:
            return
        if is_root:
            self.whole.add(used)
        elif operation.is_agent:
            self.of(operation.name).add(used)

    def of(self, agent: str) -> Used:
        """What an agent used, made where it is new; the common one beyond the bound."""
        used = self.agents.get(agent)
        if used is None:
            if len(self.agents) >= MAX_AGENTS:
                agent = OTHER
            used = self.agents.setdefault(agent, Used())
        return used

    def merge(self, other: RunUse) -> None:
        """Add other runs to these."""
        self.whole.merge(other.whole)
        for agent, used in other.agents.items():
            self.of(agent).merge(used)


def use_of(root: Operation, operations: Iterable[Operation]) -> RunUse | None:
    """What a run used, from its operations at hand; `None` where none of them was sampled."""
    use: RunUse | None = None
    for operation in (root, *(each for each in operations if each.span_id != root.span_id)):
        if operation.resources is not None and operation.counted:
            use = use or RunUse()
            use.add(operation, is_root=operation is root)
    return use
