"""What every dashboard has: data sources and filters to choose, links to the others, and rows."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from deploy.grafana.source.parts import PROMETHEUS

TAG = "otel-agentperf"
Panels = tuple[Builder[model.Panel], ...]


def framed(
    uid: str, title: str, description: str, rows: Mapping[str, Panels], *, by_graph: bool = True
) -> dashboard.Dashboard:
    """A dashboard with these rows of panels.

    A graph can be chosen too, beside the service, unless `by_graph` says no.
    """
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .time("now-6h", "now")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(_others())
        .with_variable(_source("prometheus", "Prometheus"))
        .with_variable(_source("tempo", "Tempo"))
        .with_variable(_choice("service", "Service", "label_values(agentperf_runs_total, job)"))
    )
    if by_graph:
        graphs = 'label_values(agentperf_runs_total{job=~"$service"}, gen_ai_workflow_name)'
        built = built.with_variable(_choice("graph", "Graph", graphs))
    built = built.annotation(_firing())
    for name, panels in rows.items():
        built = built.with_row(dashboard.Row(name))
        for panel in panels:
            built = built.with_panel(panel)
    return built


def _others() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("Other dashboards").type(model.DashboardLinkType.DASHBOARDS)
    return link.tags([TAG]).include_vars(True).keep_time(True)


def _source(kind: str, label: str) -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable(kind).label(label).type(kind)


def _choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(PROMETHEUS)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def _firing() -> dashboard.AnnotationQuery:
    """Marks the times at which an alert fired, on every panel over time."""
    return (
        dashboard.AnnotationQuery()
        .name("Alerts")
        .datasource(PROMETHEUS)
        .enable(True)
        .icon_color("red")
        .expr('ALERTS{alertname=~"AgentPerf.+", alertstate="firing", job=~"$service"}')
    )
