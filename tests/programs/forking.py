"""Forks for real while everything is on, and says what the child and the parent find."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_agentperf import guard, semconv
from otel_agentperf.instrumentation.system import SystemInstrumentor
from otel_agentperf.live import loops, samples

reader = InMemoryMetricReader()
SystemInstrumentor().instrument(meter_provider=MeterProvider([reader], shutdown_on_exit=False))


def wait_for_samples(count: int) -> None:
    """Wait until this process has taken so many."""
    deadline = time.monotonic() + 30
    while len(samples.samples) < count and time.monotonic() < deadline:
        time.sleep(0.02)


def values() -> dict[str, Any]:
    """The values of single points by metric."""
    data: Any = reader.get_metrics_data()
    return {
        metric.name: metric.data.data_points[0].value
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if hasattr(metric.data.data_points[0], "value")
    }


async def enter_a_loop() -> bool:
    """Whether loops are watched here."""
    watched = loops.enter()
    loops.leave(watched)
    return watched is not None


async def be_late() -> None:
    """Have a loop's timer fire."""
    watched = loops.enter()
    await asyncio.sleep(2 * loops.INTERVAL_S)
    loops.leave(watched)


def lags() -> int:
    """How many lags of loops are told of this process."""
    data: Any = reader.get_metrics_data()
    return sum(
        point.count
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name == semconv.METRIC_EVENT_LOOP_LAG
        for point in metric.data.data_points
    )


def found() -> dict[str, Any]:
    """What this process finds of itself."""
    lags_at_first = lags()
    wait_for_samples(2)
    points = values()
    return {
        "pid": os.getpid(),
        "lags": lags_at_first,
        "samples": len(samples.samples),
        "begun_ns": samples.samples.since(0)[0].time_ns,
        "samplers": sum(thread.name == "agentperf-sampler" for thread in threading.enumerate()),
        "threads": points["process.thread.count"],
        "cpu_s": points["process.cpu.time"],
        "score": "agentperf.health.score" in points,
        "watches": asyncio.run(enter_a_loop()),
        "errors": guard.error_counts(),
    }


wait_for_samples(3)
asyncio.run(be_late())
burnt = time.process_time() + 0.3
while time.process_time() < burnt:
    sum(range(1_000))
forked_ns = time.time_ns()
pid = os.fork()
if pid == 0:
    print(json.dumps({"child": True, "forked_ns": forked_ns, **found()}), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(json.dumps({"child": False, "forked_ns": forked_ns, **found()}), flush=True)
SystemInstrumentor().uninstrument()
sys.exit(any(thread.name.startswith("agentperf-sampler") for thread in threading.enumerate()))
