"""Whether the machine can take more work.

Hold back where, in the last minute, more than 85 % of the memory was in use, an event loop was late
by 0.5 s, more than 80 % of the descriptors were open, or more than 80 % of the CPU was in use on
average of which this process took a tenth or more: one that only waits for models runs well on a
busy host. The thresholds are those of the health score and of RES001. Confidence is 0.8.
"""

from __future__ import annotations

from otel_agentperf.advice.facts import Load
from otel_agentperf.advice.results import Part, Pressure, abstain

CPU_PERCENT = 80.0
OWN_SHARE = 0.1
MEMORY_PERCENT = 85.0
LAG_S = 0.5
FILES_SHARE = 0.8
CONFIDENCE = 0.8


def decide(load: Load | None) -> Part[Pressure]:
    """Say whether to hold back.

    Args:
        load: of the last minute; `None` where nothing was sampled.
    """
    if load is None or (load.cpu_percent is None and load.memory_percent is None):
        return abstain("the machine was not sampled in the last minute")
    reasons: list[str] = []
    cpu, own = load.cpu_percent, load.own_cpu_percent
    if cpu is not None and cpu > CPU_PERCENT and (own is None or own >= OWN_SHARE * cpu):
        reasons.append(f"{cpu:.0f} % of the CPU is in use")
    if load.memory_percent is not None and load.memory_percent > MEMORY_PERCENT:
        reasons.append(f"{load.memory_percent:.0f} % of the memory is in use")
    if load.lag_s is not None and load.lag_s >= LAG_S:
        reasons.append(f"an event loop was late by {load.lag_s:.1f} s")
    if load.open_files_share is not None and load.open_files_share > FILES_SHARE:
        reasons.append(f"{load.open_files_share:.0%} of the descriptors are open")
    evidence: dict[str, float | int] = {
        name: round(value, 3) for name, value in zip(Load._fields, load, strict=True) if value is not None
    }
    if not reasons:
        return Part(Pressure.GO_ON, CONFIDENCE, "CPU and memory have room.", evidence, source="go_on")
    why = f"Start no more at once: {' and '.join(reasons)}."
    return Part(Pressure.HOLD_BACK, CONFIDENCE, why, evidence, source="hold_back")
