"""One agent system: its graphs, nodes and models."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.source import traces
from deploy.grafana.source.frame import Panels, framed
from deploy.grafana.source.parts import COUNT, PER_MINUTE, SECONDS, USD, Query, bars, lines, spread
from deploy.grafana.source.promql import BY_GRAPH, GRAPH, SERVICE, grown, mean, quantile, rate

RUN, NODE, REQUEST = (
    "agentperf_run_duration_seconds",
    "agentperf_node_duration_seconds",
    "gen_ai_client_operation_duration_seconds",
)
OF_NODE = "gen_ai_node_name"
OF_MODEL = "gen_ai_request_model"


def system() -> Dashboard:
    """What a graph does, and which of its nodes decide its time and money."""
    return framed(
        "agentperf-system",
        "Agents: one system",
        "What a graph does, and which of its nodes and models decide its time and money. Choose a service and a graph above.",
        {"Runs": _runs(), "Nodes": _nodes(), "Models": _models()},
    )


def _runs() -> Panels:
    return (
        lines(
            "Runs by outcome",
            "Runs that end in a minute. Interrupted ones wait for a person; cancelled ones were stopped by the caller.",
            PER_MINUTE,
            Query(f"60 * {rate('agentperf_runs_total', GRAPH, 'agentperf_run_outcome')}", "{{agentperf_run_outcome}}"),
            stacked=True,
        ),
        spread(
            "Duration of runs",
            "How long runs took, and how many took so long. The points are runs: each leads to its trace.",
            SECONDS,
            rate(f"{RUN}_bucket", GRAPH, "le"),
        ),
        lines(
            "Cost of a run",
            "The average, and what nine of ten stay below. The points are runs: each leads to its trace.",
            USD,
            Query(mean("agentperf_run_cost_USD", GRAPH, BY_GRAPH), "{{gen_ai_workflow_name}} average"),
            Query(
                quantile(0.9, "agentperf_run_cost_USD", GRAPH, BY_GRAPH),
                "{{gen_ai_workflow_name}} 90 %",
                exemplars=True,
            ),
            links=[traces.DEAR_RUNS_OF_GRAPH],
        ),
        spread(
            "Efficiency",
            "How the efficiency scores of runs are spread, of 100.",
            COUNT,
            rate("agentperf_run_efficiency_score_bucket", GRAPH, "le"),
        ),
        bars(
            "Suggestions by rule",
            "Suggestions made in the time shown, by rule and level, for all graphs of the service.",
            COUNT,
            Query(
                "sum by (agentperf_suggestion_rule, agentperf_suggestion_level)"
                f" ({grown('agentperf_suggestions_total')})",
                "{{agentperf_suggestion_rule}} {{agentperf_suggestion_level}}",
            ),
            links=[traces.SUGGESTIONS_OF_RULE],
        ),
        lines(
            "Speed against its own past",
            "What nine of ten successful runs of the last 30 minutes stayed below, and what that was in the middle of the past"
            " day. Both stand only where there were enough runs to say so: the figures that AgentPerfRunSlow compares.",
            SECONDS,
            Query(f"job_workflow:agentperf_run_duration_seconds:p90_30m{{{GRAPH}}}", "{{gen_ai_workflow_name}} now"),
            Query(
                f"job_workflow:agentperf_run_duration_seconds:p90_past_day{{{GRAPH}}}",
                "{{gen_ai_workflow_name}} past day",
            ),
            links=[traces.RUNS_OF_GRAPH],
        ),
    )


def _nodes() -> Panels:
    return (
        lines(
            "Duration of nodes",
            "What nine invocations of ten of a node stay below. The points lead to their traces.",
            SECONDS,
            Query(quantile(0.9, NODE, GRAPH, OF_NODE), "{{gen_ai_node_name}}", exemplars=True),
            links=[traces.SPANS_OF_NODE],
        ),
        bars(
            "Where the time goes",
            "Seconds spent in each node in the time shown, those within others counted in both.",
            SECONDS,
            Query(f"sum by ({OF_NODE}) ({grown(f'{NODE}_sum', GRAPH)})", "{{gen_ai_node_name}}"),
            links=[traces.SPANS_OF_NODE],
        ),
        lines(
            "Invocations of nodes",
            "How often each node is invoked in a minute.",
            PER_MINUTE,
            Query(f"60 * {rate(f'{NODE}_count', GRAPH, OF_NODE)}", "{{gen_ai_node_name}}"),
            links=[traces.SPANS_OF_NODE],
        ),
        bars(
            "Where the money goes",
            "Dollars spent for each agent or top-level node in the time shown, for all graphs of the service.",
            USD,
            Query(f"sum by ({OF_NODE}) ({grown('agentperf_cost_USD_total')})", "{{gen_ai_node_name}}"),
            links=[traces.SPANS_OF_NODE],
        ),
    )


def _models() -> Panels:
    return (
        lines(
            "Duration of model requests",
            "What nine requests of ten stay below, for all graphs of the service. The points lead to their traces.",
            SECONDS,
            Query(quantile(0.9, REQUEST, SERVICE, OF_MODEL), "{{gen_ai_request_model}}", exemplars=True),
            links=[traces.REQUESTS_TO_MODEL],
        ),
        lines(
            "Model requests",
            "Requests in a minute, by model and error.",
            PER_MINUTE,
            Query(
                f"60 * {rate(f'{REQUEST}_count', SERVICE, f'{OF_MODEL}, error_type')}",
                "{{gen_ai_request_model}} {{error_type}}",
            ),
            links=[traces.REQUESTS_TO_MODEL],
            stacked=True,
        ),
    )
