"""Is all well, and where to look if not."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.source import traces
from deploy.grafana.source.frame import Panels, framed
from deploy.grafana.source.parts import (
    COUNT,
    HEALTH,
    NONE_IS_GOOD,
    SECONDS,
    SHARE,
    SUCCESS,
    USD,
    Query,
    Steps,
    bars,
    lines,
    number,
    rows,
)
from deploy.grafana.source.promql import BY_GRAPH, GRAPH, SERVICE, grown, mean, mean_of_range, quantile, rate

FAILED = f'{GRAPH}, agentperf_run_outcome="failure"'
JUDGED = f'{GRAPH}, agentperf_run_outcome=~"success|failure"'
SUCCESS_OF_RANGE = (
    f"1 - (sum({grown('agentperf_runs_total', FAILED)}) or vector(0)) / sum({grown('agentperf_runs_total', JUDGED)})"
)
FIRING = 'ALERTS{alertname=~"AgentPerf.+", alertstate="firing"}'


def overview() -> Dashboard:
    """The dashboard to begin with."""
    now = (
        number(
            "Health",
            "The lowest health score of a process, of 100: above 70 is healthy, above 40 a warning, the rest critical.",
            f"min(agentperf_health_score_ratio{{{SERVICE}}})",
            COUNT,
            steps=HEALTH,
            span=3,
        ),
        number(
            "Firing alerts",
            "Alerts of otel-agentperf that fire now, of any service.",
            f"count({FIRING}) or vector(0)",
            COUNT,
            steps=NONE_IS_GOOD,
            span=3,
        ),
        number(
            "Active sessions",
            "Sessions with a run that is open, or ended in the last 5 minutes.",
            f"sum(agentperf_active_sessions{{{SERVICE}}})",
            COUNT,
            span=3,
        ),
        number("Active runs", "Runs that are open now.", f"sum(agentperf_active_runs{{{SERVICE}}})", COUNT, span=3),
        number(
            "Success rate",
            "The share of runs that succeeded, of those that ended by themselves, in the time shown.",
            SUCCESS_OF_RANGE,
            SHARE,
            steps=SUCCESS,
            span=3,
        ),
        number(
            "Average duration",
            "How long a run took on average, in the time shown.",
            mean_of_range("agentperf_run_duration_seconds", GRAPH),
            SECONDS,
            span=3,
        ),
        number(
            "Cost per run",
            "What a run cost on average, in the time shown: model requests and billed services. "
            "Runs of which nothing could be priced are left out.",
            mean_of_range("agentperf_run_cost_USD", GRAPH),
            USD,
            decimals=4,
            links=[traces.DEAR_RUNS],
            span=3,
        ),
        number(
            "Efficiency",
            "The average efficiency score of a run, of 100: measured waste and errors lower it. "
            "Runs without a priced model call have none.",
            mean_of_range("agentperf_run_efficiency_score", GRAPH),
            COUNT,
            steps=Steps(("red", "orange", "green"), (50, 80)),
            decimals=0,
            span=3,
        ),
    )
    return framed(
        "agentperf-overview",
        "Agents: overview",
        "Is all well with the agents, and where to look if not.",
        {"Now": now, "Over time": _over_time(), "What to change": _what_to_change()},
    )


def _over_time() -> Panels:
    return (
        lines(
            "Operations",
            "How many runs, nodes and model requests end in a second.",
            "ops",
            Query(rate("agentperf_run_duration_seconds_count", GRAPH), "runs"),
            Query(rate("agentperf_node_duration_seconds_count", GRAPH), "nodes"),
            Query(rate("gen_ai_client_operation_duration_seconds_count"), "model requests"),
        ),
        lines(
            "Duration of runs",
            "The average, and what nine runs of ten stay below. The points are runs: each leads to its trace.",
            SECONDS,
            Query(mean("agentperf_run_duration_seconds", GRAPH, BY_GRAPH), "{{gen_ai_workflow_name}} average"),
            Query(
                quantile(0.9, "agentperf_run_duration_seconds", GRAPH, BY_GRAPH),
                "{{gen_ai_workflow_name}} 90 %",
                exemplars=True,
            ),
            links=[traces.RUNS_OF_GRAPH],
        ),
        lines(
            "Success rate over time",
            "The share of runs that succeeded in the last 30 minutes: the figure that AgentPerfRunSuccessLow judges.",
            SHARE,
            Query(f"job_workflow:agentperf_run_success:ratio30m{{{GRAPH}}}", "{{gen_ai_workflow_name}} of {{job}}"),
            links=[traces.FAILED_RUNS_OF_GRAPH],
            steps=Steps(("red", "green"), (0.95,)),
            most=1,
        ),
        lines(
            "Cost per run over time",
            "What a run cost on average.",
            USD,
            Query(mean("agentperf_run_cost_USD", GRAPH, BY_GRAPH), "{{gen_ai_workflow_name}}"),
            links=[traces.DEAR_RUNS_OF_GRAPH],
        ),
        lines(
            "Efficiency over time",
            "The average efficiency score of a run, of 100.",
            COUNT,
            Query(mean("agentperf_run_efficiency_score", GRAPH, BY_GRAPH), "{{gen_ai_workflow_name}}"),
            links=[traces.RUNS_OF_GRAPH],
            most=100,
        ),
        lines(
            "Cost per model request",
            "What a model request cost on average: cost of all that has a price, by requests to the same model.",
            USD,
            Query(
                f"{rate('agentperf_cost_USD_total', SERVICE, 'gen_ai_request_model')}"
                f" / {rate('gen_ai_client_operation_duration_seconds_count', SERVICE, 'gen_ai_request_model')}",
                "{{gen_ai_request_model}}",
            ),
            links=[traces.REQUESTS_TO_MODEL],
        ),
    )


def _what_to_change() -> Panels:
    return (
        bars(
            "Suggestions by rule",
            "Suggestions made in the time shown. `otel-agentperf explain CODE` says what a rule finds.",
            COUNT,
            Query(
                f"sum by (agentperf_suggestion_rule, agentperf_suggestion_type) ({grown('agentperf_suggestions_total')})",
                "{{agentperf_suggestion_rule}} {{agentperf_suggestion_type}}",
            ),
            links=[traces.SUGGESTIONS_OF_RULE],
        ),
        rows(
            "Which alerts fire",
            "Alerts that fire now. What each means and what to do stands in RUNBOOK.md.",
            COUNT,
            FIRING,
            {
                "alertname": "Alert",
                "severity": "Severity",
                "job": "Service",
                "gen_ai_workflow_name": "Graph",
                "instance": "Process",
            },
        ),
    )
