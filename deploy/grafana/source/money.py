"""Where the money goes."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.source import traces
from deploy.grafana.source.frame import Panels, framed
from deploy.grafana.source.parts import COUNT, NONE_IS_GOOD, SHARE, USD, Query, Steps, bars, lines, number, rows
from deploy.grafana.source.promql import BY_GRAPH, GRAPH, SERVICE, grown, quantile, rate

COST = "agentperf_cost_USD_total"
WASTED = f"sum({grown('agentperf_wasted_cost_USD_total', GRAPH)})"
SPENT = f"sum({grown(COST)})"


def money() -> Dashboard:
    """What is spent, on what, and how much of it for nothing."""
    now = (
        number("Spent", "Model requests and billed services in the time shown.", SPENT, USD),
        number(
            "Spending an hour",
            "By what was spent in the last 15 minutes.",
            f"sum(job:agentperf_cost_usd_per_hour:15m{{{SERVICE}}})",
            USD,
        ),
        number(
            "Budget an hour",
            "What the services may spend in an hour, as settings.yml says.",
            f"sum(job:agentperf_budget_usd_per_hour{{{SERVICE}}})",
            USD,
        ),
        number(
            "Wasted",
            "The share of the money shown that was spent for nothing: savings that were measured, none counted twice.",
            f"({WASTED} or vector(0)) / {SPENT}",
            SHARE,
            steps=Steps(("green", "orange", "red"), (0.1, 0.25)),
            links=[traces.ALL_SUGGESTIONS],
        ),
        number(
            "Sessions over budget",
            "Sessions that went over the budget of a session in the time shown.",
            f"sum({grown('agentperf_sessions_over_budget_total')}) or vector(0)",
            COUNT,
            steps=NONE_IS_GOOD,
            decimals=0,
        ),
        number(
            "Calls without a price",
            "Calls in the time shown whose price is not known. All figures of cost leave them out.",
            f"sum({grown('agentperf_unpriced_calls_total')}) or vector(0)",
            COUNT,
            steps=NONE_IS_GOOD,
            links=[traces.UNPRICED_CALLS],
            decimals=0,
        ),
    )
    return framed(
        "agentperf-money",
        "Agents: money",
        "What is spent, on what, and how much of it for nothing.",
        {"Now": now, "Spending": _spending(), "Runs and waste": _runs_and_waste()},
    )


def _per_hour(by: str, labels: str = SERVICE) -> str:
    return f"3600 * {rate(COST, labels, by)}"


def _spending() -> Panels:
    return (
        lines(
            "Spending against the budget",
            "Dollars an hour over the last 15 minutes and 6 hours. AgentPerfCostBurnFast fires at four times the budget.",
            USD,
            Query(f"job:agentperf_cost_usd_per_hour:15m{{{SERVICE}}}", "{{job}}, 15 minutes"),
            Query(f"job:agentperf_cost_usd_per_hour:6h{{{SERVICE}}}", "{{job}}, 6 hours"),
            Query(f"job:agentperf_budget_usd_per_hour{{{SERVICE}}}", "{{job}}, budget"),
        ),
        lines(
            "By model",
            "Dollars an hour by the model that was asked. Billed services stand apart, below.",
            USD,
            Query(
                _per_hour("gen_ai_request_model", f'{SERVICE}, gen_ai_request_model!=""'), "{{gen_ai_request_model}}"
            ),
            links=[traces.REQUESTS_TO_MODEL],
            stacked=True,
        ),
        lines(
            "By agent",
            "Dollars an hour by the agent or top-level node that the work was done for.",
            USD,
            Query(_per_hour("gen_ai_node_name"), "{{gen_ai_node_name}}"),
            links=[traces.SPANS_OF_NODE],
            stacked=True,
        ),
        lines(
            "By service and tier",
            "Dollars an hour by service tier of the models, and by billed service.",
            USD,
            Query(
                _per_hour("agentperf_cost_tier, agentperf_service_name"),
                "{{agentperf_cost_tier}} {{agentperf_service_name}}",
            ),
            stacked=True,
        ),
        rows(
            "What costs most",
            "Dollars in the time shown, by service, agent and model.",
            USD,
            f"sort_desc(sum by (job, gen_ai_node_name, gen_ai_request_model, agentperf_service_name) ({grown(COST)}))",
            {
                "job": "Service",
                "gen_ai_node_name": "Agent",
                "gen_ai_request_model": "Model",
                "agentperf_service_name": "Billed service",
                "Value": "Dollars",
            },
        ),
        lines(
            "Tokens",
            "Tokens a second by model, read and written. Cached tokens are part of those read, thoughts of those written.",
            COUNT,
            Query(
                rate("gen_ai_client_token_usage_sum", SERVICE, "gen_ai_request_model, gen_ai_token_type"),
                "{{gen_ai_request_model}} {{gen_ai_token_type}}",
            ),
            links=[traces.REQUESTS_TO_MODEL],
        ),
    )


def _runs_and_waste() -> Panels:
    return (
        lines(
            "Cost of a run",
            "What half of the runs and nine of ten stay below. The points are runs: each leads to its trace.",
            USD,
            Query(quantile(0.5, "agentperf_run_cost_USD", GRAPH, BY_GRAPH), "{{gen_ai_workflow_name}} 50 %"),
            Query(
                quantile(0.9, "agentperf_run_cost_USD", GRAPH, BY_GRAPH),
                "{{gen_ai_workflow_name}} 90 %",
                exemplars=True,
            ),
            links=[traces.DEAR_RUNS_OF_GRAPH],
        ),
        bars(
            "Wasted by rule",
            "Dollars spent for nothing in the time shown, by the rule that measured it.",
            USD,
            Query(
                f"sum by (agentperf_suggestion_rule) ({grown('agentperf_wasted_cost_USD_total', GRAPH)})",
                "{{agentperf_suggestion_rule}}",
            ),
            links=[traces.SUGGESTIONS_OF_RULE],
        ),
    )
