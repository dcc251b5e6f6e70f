"""What the processes and the telemetry itself need."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.source.frame import Panels, framed
from deploy.grafana.source.parts import BYTES, BYTES_PER_SECOND, COUNT, SECONDS, SHARE, Query, Steps, bars, lines
from deploy.grafana.source.promql import COLLECTORS, SERVICE, grown, of_collectors, quantile, rate, rate_of_collectors

PROCESS = "{{job}} {{instance}}"
# Where opentelemetry-instrumentation-system-metrics is on, it reports these, under names of its own.
MEMORY_USED = (
    f'system_memory_utilization_ratio{{{SERVICE}, system_memory_state="used"}}'
    f' or system_memory_utilization_ratio{{{SERVICE}, state="used"}}'
)
OPEN_FILES = f"process_unix_file_descriptor_count{{{SERVICE}}} or process_open_file_descriptor_count{{{SERVICE}}}"


def resources() -> Dashboard:
    """CPU, memory and the rest, by process; and whether telemetry is lost."""
    return framed(
        "agentperf-resources",
        "Agents: resources",
        "What the processes need, what otel-agentperf itself needs, and whether telemetry is lost.",
        {"Processes": _processes(), "otel-agentperf itself": _ours(), "Collector": _collector()},
        by_graph=False,
    )


def _now(metric: str, labels: str = SERVICE, by: str = "job, instance") -> str:
    return f"max by ({by}) ({metric}{{{labels}}})"


def _processes() -> Panels:
    by_process = "job, instance"
    return (
        lines(
            "Health score",
            "Of 100: above 70 is healthy, above 40 a warning, the rest critical.",
            COUNT,
            Query(_now("agentperf_health_score_ratio"), PROCESS),
            steps=Steps(("red", "orange", "green"), (40, 70)),
            most=100,
        ),
        lines(
            "What lowers it",
            "Points taken off the score, by reason, of the worst process.",
            COUNT,
            Query(
                _now("agentperf_health_deductions_ratio", by="agentperf_health_reason"), "{{agentperf_health_reason}}"
            ),
            stacked=True,
        ),
        lines(
            "CPU",
            "The share that a process uses of the CPU that it may use.",
            SHARE,
            Query(f"sum by ({by_process}) (process_cpu_utilization_ratio{{{SERVICE}}})", PROCESS),
            steps=Steps(("green", "red"), (0.8,)),
            most=1,
        ),
        lines(
            "Memory in use around it",
            "The share of the machine's memory that is used, by all processes.",
            SHARE,
            Query(f"max by ({by_process}) ({MEMORY_USED})", PROCESS),
            steps=Steps(("green", "red"), (0.85,)),
            most=1,
        ),
        lines("Memory", "Resident memory of a process.", BYTES, Query(_now("process_memory_usage_bytes"), PROCESS)),
        lines(
            "Event loop lag",
            "How late the event loop comes to its work, in 99 of 100 looks: a synchronous call inside an async node blocks it.",
            SECONDS,
            Query(quantile(0.99, "agentperf_event_loop_lag_seconds", SERVICE, by_process), PROCESS),
        ),
        lines(
            "Garbage collection",
            "Seconds in a second that a process stands still for the garbage collector, by generation.",
            SHARE,
            Query(
                rate("agentperf_gc_pause_seconds_sum", SERVICE, "job, cpython_gc_generation"),
                "{{job}} generation {{cpython_gc_generation}}",
            ),
            stacked=True,
        ),
        lines(
            "Open files and threads",
            "Open file descriptors and threads of a process.",
            COUNT,
            Query(f"max by ({by_process}) ({OPEN_FILES})", f"files {PROCESS}"),
            Query(_now("process_thread_count"), f"threads {PROCESS}"),
        ),
        lines(
            "Disk and network",
            "Bytes a second that the processes read and write, and that their machines receive and send.",
            BYTES_PER_SECOND,
            Query(
                rate("process_disk_io_bytes_total", SERVICE, "job, disk_io_direction, direction"),
                "{{job}} disk {{disk_io_direction}}{{direction}}",
            ),
            Query(
                rate("system_network_io_bytes_total", SERVICE, "job, network_io_direction, direction"),
                "{{job}} network {{network_io_direction}}{{direction}}",
            ),
        ),
        lines(
            "Context switches",
            "A second, by type: many involuntary ones say that processes fight for the CPU.",
            "ops",
            Query(
                rate("process_context_switches_total", SERVICE, "job, process_context_switch_type, type"),
                "{{job}} {{process_context_switch_type}}{{type}}",
            ),
        ),
    )


def _ours() -> Panels:
    return (
        lines(
            "Time spent in otel-agentperf",
            "Seconds in a second that a process spends in our callbacks.",
            SHARE,
            Query(rate("agentperf_internal_time_seconds_total", SERVICE, "job, instance"), PROCESS),
        ),
        bars(
            "Lost inside the process",
            "Errors inside by place, state dropped by reason, and observations that a metric with too many series put under"
            " `other`, in the time shown. Sessions are dropped as a matter of course, those first that were not seen for longest.",
            COUNT,
            Query(
                f"(sum by (agentperf_site) ({grown('agentperf_internal_errors_total')})"
                f" or sum by (agentperf_reason) ({grown('agentperf_internal_evictions_total')})"
                f" or sum by (agentperf_metric) ({grown('agentperf_internal_capped_series_total')})"
                ' or label_replace(vector(0), "agentperf_reason", "nothing", "", ""))',
                "{{agentperf_site}}{{agentperf_reason}}{{agentperf_metric}}",
            ),
            steps=Steps(("green", "orange"), (1,)),
        ),
    )


def _collector() -> Panels:
    place = "{{instance}}"
    return (
        lines(
            "Spans in and out",
            "Spans a second that the Collectors accepted, and that each exporter sent.",
            "ops",
            Query(rate_of_collectors("otelcol_receiver_accepted_spans", "instance"), f"accepted {place}"),
            Query(
                rate_of_collectors("otelcol_exporter_sent_spans", "instance, exporter"),
                f"sent {place} {{{{exporter}}}}",
            ),
        ),
        lines(
            "Spans lost or refused",
            "Spans a second that were given up after all retries, found no room in a queue, or were turned away.",
            "ops",
            Query(f"{rate_of_collectors('otelcol_exporter_send_failed_spans')} or vector(0)", "given up"),
            Query(
                f"{rate_of_collectors('otelcol_exporter_enqueue_failed_spans')} or vector(0)", "no room in the queue"
            ),
            Query(f"{rate_of_collectors('otelcol_receiver_refused_spans')} or vector(0)", "refused"),
        ),
        lines(
            "Queues",
            "How full each exporter's queue is.",
            SHARE,
            Query(
                f"max by (instance, exporter) (otelcol_exporter_queue_size{{{COLLECTORS}}})"
                f" / max by (instance, exporter) (otelcol_exporter_queue_capacity{{{COLLECTORS}}})",
                f"{place} {{{{exporter}}}}",
            ),
            steps=Steps(("green", "red"), (0.8,)),
            most=1,
        ),
        lines(
            "Memory of the Collectors",
            "Resident memory.",
            BYTES,
            Query(f"max by (instance) ({of_collectors('otelcol_process_memory_rss', '_bytes')})", place),
        ),
    )
