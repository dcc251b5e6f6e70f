"""Panels of the few forms that the dashboards use, each with a sentence on what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = model.DataSourceRef(type_val="prometheus", uid="${prometheus}")
USD, SECONDS, SHARE, BYTES, PER_MINUTE, COUNT = "currencyUSD", "s", "percentunit", "bytes", "cpm", "short"
BYTES_PER_SECOND = "Bps"
NEUTRAL = "blue"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel, and what its series are called in the legend."""

    expr: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """Colours by value: the first below the first step, and so on."""

    colours: tuple[str, ...]
    at: tuple[float, ...] = ()

    def build(self) -> dashboard.ThresholdsConfig:
        """As Grafana has it."""
        values = (None, *self.at)
        steps = [model.Threshold(value=at, color=colour) for at, colour in zip(values, self.colours, strict=True)]
        return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


PLAIN = Steps((NEUTRAL,))
NONE_IS_GOOD = Steps(("green", "red"), (1,))
HEALTH = Steps(("red", "orange", "green"), (40.001, 70.001))
SUCCESS = Steps(("red", "orange", "green"), (0.9, 0.95))

Links = Sequence[dashboard.DashboardLink]


def number(
    title: str,
    description: str,
    expr: str,
    unit: str,
    *,
    steps: Steps = PLAIN,
    links: Links = (),
    span: int = 4,
    decimals: int | None = None,
) -> stat.Panel:
    """One figure for all the time that is shown, or for now."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .thresholds(steps.build())
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .graph_mode(common_model.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .data_links(list(links))
        .with_target(_instant(expr))
        .height(4)
        .span(span)
    )
    return panel if decimals is None else panel.decimals(decimals)


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    links: Links = (),
    stacked: bool = False,
    steps: Steps | None = None,
    most: float | None = None,
    span: int = 12,
) -> timeseries.Panel:
    """Lines over time; stacked where they are parts of a whole, with a line at each threshold."""
    legend = common.VizLegendOptions().display_mode(common_model.LegendDisplayMode.TABLE)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .min(0)
        .fill_opacity(20 if stacked else 5)
        .show_points(common_model.VisibilityMode.AUTO)
        .span_nulls(True)
        .stacking(common.StackingConfig().mode(_stacking(stacked=stacked)))
        .legend(legend.placement(common_model.LegendPlacement.BOTTOM).show_legend(True).calcs(["mean", "max"]))
        .tooltip(common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI))
        .data_links(list(links))
        .targets([_range(query, chr(ord("A") + index)) for index, query in enumerate(queries)])
        .height(8)
        .span(span)
    )
    if most is not None:
        panel = panel.max(most)
    if steps is not None:
        style = common.GraphThresholdsStyleConfig().mode(common_model.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(steps.build()).thresholds_style(style)
    return panel


def bars(
    title: str, description: str, unit: str, query: Query, *, links: Links = (), steps: Steps = PLAIN, span: int = 12
) -> bargauge.Panel:
    """One bar for each series, over all the time that is shown."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .min(0)
        .thresholds(steps.build())
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .data_links(list(links))
        .with_target(_instant(f"sort_desc({query.expr})", query.legend))
        .height(8)
        .span(span)
    )


def rows(
    title: str, description: str, unit: str, expr: str, names: dict[str, str], *, links: Links = (), span: int = 12
) -> table.Panel:
    """A table of what there is now or was in all the time that is shown.

    `names` says which labels are columns, in this order, and what they are called; `Value` is the figure.
    """
    order = {label: place for place, label in enumerate(names)}
    organize = model.DataTransformerConfig(
        id_val="organize", options={"indexByName": order, "renameByName": names, "excludeByName": {"Time": True}}
    )
    # What no name is given to is left out, whatever labels the series have.
    keep = model.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(names)}})
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .data_links(list(links))
        .with_transformation(keep)
        .with_transformation(organize)
        .with_target(_instant(expr).format(PromQueryFormat.TABLE))
        .height(8)
        .span(span)
    )


def spread(title: str, description: str, unit: str, expr: str, *, links: Links = (), span: int = 12) -> heatmap.Panel:
    """How the values of a histogram are spread, over time; its points lead to traces."""
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .unit(unit)
        .data_links(list(links))
        .with_target(_range(Query(expr, "{{le}}", exemplars=True), "A").format(PromQueryFormat.HEATMAP))
        .height(8)
        .span(span)
    )


def _instant(expr: str, legend: str = "") -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id("A").expr(expr).legend_format(legend).instant().datasource(PROMETHEUS)


def _range(query: Query, ref_id: str) -> prometheus.Dataquery:
    asked = prometheus.Dataquery().ref_id(ref_id).expr(query.expr).legend_format(query.legend)
    return asked.range().exemplar(query.exemplars).datasource(PROMETHEUS)


def _stacking(*, stacked: bool) -> common_model.StackingMode:
    return common_model.StackingMode.NORMAL if stacked else common_model.StackingMode.NONE
