"""Pieces of PromQL that several panels share."""

from __future__ import annotations

SERVICE = 'job=~"$service"'
GRAPH = f'{SERVICE}, gen_ai_workflow_name=~"$graph"'
BY_GRAPH = "gen_ai_workflow_name"
COLLECTORS = 'job=~"agentperf-collector.*"'


def grown(metric: str, labels: str = SERVICE, window: str = "$__range") -> str:
    """By how much a counter grew in a window, with what a series that is new in it began with.

    `increase` alone leaves that out: a process that lived for a minute would count for nothing. The recording rules
    count in the same way; a day of memory keeps a Collector that was away for less from making its series new again.
    """
    series = f"{metric}{{{labels}}}"
    new = f"last_over_time({series}[{window}]) unless last_over_time({series}[1d] offset {window})"
    return f"(({new}) or increase({series}[{window}]))"


def rate(metric: str, labels: str = SERVICE, by: str = "") -> str:
    """The growth of a counter by the second, added up by some labels."""
    return f"sum{_by(by)} (rate({metric}{{{labels}}}[$__rate_interval]))"


def of_collectors(metric: str, ending: str = "_total") -> str:
    """A metric of the Collectors' own, which they name with or without its ending, as they are configured."""
    return f'{{__name__=~"{metric}({ending})?", {COLLECTORS}}}'


def rate_of_collectors(metric: str, by: str = "") -> str:
    """The growth of a counter of the Collectors' own by the second."""
    return f"sum{_by(by)} (rate({of_collectors(metric)}[$__rate_interval]))"


def mean(histogram: str, labels: str = SERVICE, by: str = "") -> str:
    """The average of what a histogram saw, over time."""
    return f"{rate(f'{histogram}_sum', labels, by)} / {rate(f'{histogram}_count', labels, by)}"


def mean_of_range(histogram: str, labels: str = SERVICE) -> str:
    """The average of what a histogram saw in the whole time that is shown."""
    return f"sum({grown(f'{histogram}_sum', labels)}) / sum({grown(f'{histogram}_count', labels)})"


def quantile(share: float, histogram: str, labels: str = SERVICE, by: str = "") -> str:
    """The value that this share of what a histogram saw stays below."""
    groups = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', labels, groups)})"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
