"""Links from a panel to the traces behind it.

A number that is compared with a cost has a decimal point: Tempo finds no decimal attribute by a whole number.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink

TEMPO = "${tempo}"


def explore(traceql: str) -> str:
    """The address of Grafana's Explore with a TraceQL query in it, over the time that the dashboard shows.

    Grafana replaces variables such as `${__field.labels.gen_ai_workflow_name}` in an address, so they stay as they are.
    """
    source = {"type": "tempo", "uid": TEMPO}
    pane = {
        "datasource": TEMPO,
        "queries": [{"refId": "A", "datasource": source, "queryType": "traceql", "query": traceql, "limit": 50}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    panes = quote(json.dumps({"traces": pane}, separators=(",", ":")), safe="")
    return "/explore?schemaVersion=1&orgId=1&panes=" + re.sub(r"%24%7B([\w.]+)%7D", r"${\1}", panes)


def link(title: str, traceql: str) -> DashboardLink:
    """A link on a value of a panel to the traces that a TraceQL query finds."""
    return DashboardLink(title).url(explore(traceql)).target_blank(True)


def field(label: str) -> str:
    """The value of a label of the series that was clicked on."""
    return f"${{__field.labels.{label}}}"


RUNS_OF_GRAPH = link(
    "Runs of this graph",
    f'{{ span:name =~ "invoke_(workflow|agent) {field("gen_ai_workflow_name")}" && span.agentperf.run.inference_calls >= 0 }}',
)
DEAR_RUNS_OF_GRAPH = link(
    "Dear runs of this graph",
    f'{{ span:name =~ "invoke_(workflow|agent) {field("gen_ai_workflow_name")}" && span.agentperf.run.cost_usd > 0.05 }}',
)
FAILED_RUNS_OF_GRAPH = link(
    "Failed runs of this graph",
    f'{{ span:name =~ "invoke_(workflow|agent) {field("gen_ai_workflow_name")}" && span.agentperf.run.success = false }}',
)
SUGGESTIONS_OF_RULE = link(
    "Traces with this suggestion", f'{{ event.agentperf.suggestion.rule = "{field("agentperf_suggestion_rule")}" }}'
)
ALL_SUGGESTIONS = link("Traces with a suggestion", '{ event:name = "agentperf.suggestion" }')
SPANS_OF_NODE = link("Spans of this node", f'{{ span.gen_ai.node.name = "{field("gen_ai_node_name")}" }}')
REQUESTS_TO_MODEL = link(
    "Requests to this model", f'{{ span.gen_ai.request.model = "{field("gen_ai_request_model")}" }}'
)
UNPRICED_CALLS = link("Calls without a price", '{ span.agentperf.cost.status = "unpriced" }')
DEAR_RUNS = link("Dear runs", "{ span.agentperf.run.cost_usd > 0.05 }")
