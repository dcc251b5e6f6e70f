"""What the tests of `doctor` look for among its findings."""

from __future__ import annotations

from collections.abc import Iterable

from otel_agentperf.cli.finding import Finding, Level

SILENT = {"OTEL_TRACES_EXPORTER": "agentperf", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
"""An environment in which nothing is sent."""


def wrong(findings: Iterable[Finding]) -> list[str]:
    """The sentences of what is wrong."""
    return [finding.sentence for finding in findings if finding.level is Level.WRONG]


def said(findings: Iterable[Finding], level: Level = Level.OK) -> str:
    """The sentences of a level, one a line."""
    return "\n".join(finding.sentence for finding in findings if finding.level is level)
