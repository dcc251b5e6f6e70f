"""A finished run as a report. `report.terminal` shows it; it needs the extra `cli`."""

from __future__ import annotations

from otel_agentperf.report.run import RunReport, report_on

__all__ = ["RunReport", "report_on"]
