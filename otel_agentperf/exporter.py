"""Reports for people without a backend: `OTEL_TRACES_EXPORTER=agentperf` prints each run.

With `AGENTPERF_REPORT_PATH` each run's report goes to a file of its own instead, and one line
says where; `live` adds this exporter itself then, so that whoever exports to a backend gets the
files too.

The SDK hands over finished spans in batches. They are held until the root of their run has
come: a span on which our processor wrote the run's summary, else the topmost span of the
trace in this process. What never gets a root is printed at `force_flush` and `shutdown`, and
says so. Spans without any agent work are dropped in silence.

Where our processor ran, its word stands; elsewhere the rules run here, so nothing is said
twice. Nothing is raised into the SDK; a wrong setting or a missing library is said once, in
the log.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Sequence
from typing import Protocol, TextIO

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_agentperf import config, guard
from otel_agentperf.analysis.engine import Engine, Limits
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import OperationKind
from otel_agentperf.plugins import chosen_rules
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.reading import TracedRun
from otel_agentperf.reading.finished import finished
from otel_agentperf.reading.judge import Judge
from otel_agentperf.reading.sdk import SpanRecord, read_span
from otel_agentperf.reading.waiting import WaitingSpans
from otel_agentperf.report import RunReport, report_on
from otel_agentperf.report.console import ReportWriter
from otel_agentperf.report.files import FileWriter, form_of, unknown_ending
from otel_agentperf.report.render import MissingExtraError, require
from otel_agentperf.report.text import clean, counted, money

_logger = logging.getLogger("otel_agentperf")


class AgentPerfSpanExporter(SpanExporter):
    """Prints a report on each run to the standard output.

    Args:
        settings: the settings; read from the environment when absent. A wrong one is logged,
            and the defaults are used.
        out: where to print; the standard output of the moment when absent.
        quiet: whether to print nothing and write files only.
    """

    def __init__(
        self, settings: config.Settings | None = None, out: TextIO | None = None, *, quiet: bool = False
    ) -> None:
        self._settings, self._judge = _judge(settings)
        self._writer = _writer(self._settings, out, quiet=quiet) if self._settings.enabled else None
        self._start_afresh()
        _exporters.add(self)
        if self._writer is not None:
            finished.want()

    @property
    def output(self) -> object:
        """Where its reports go; nothing where it is off."""
        return self._writer

    def _start_afresh(self) -> None:
        self._lock = threading.RLock()  # a garbage collected generator may end a span in the middle of an export
        self._waiting = WaitingSpans(self._settings.console_max_spans)
        self._said_dropped = False
        self._is_shut_down = False

    def after_fork(self) -> None:
        """Leave to the parent process what is the parent's: the spans held, and a lock that may be taken."""
        _, self._judge = _judge(self._settings)
        self._start_afresh()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take in a batch and print the runs that it completes.

        Args:
            spans: finished spans.

        Returns:
            `FAILURE` after shutdown or where something went wrong in here, else `SUCCESS`.
        """
        if self._is_shut_down:
            return SpanExportResult.FAILURE
        if self._writer is None:
            return SpanExportResult.SUCCESS
        try:
            with self._lock:
                records = [record for span in spans if (record := read_span(span)) is not None]
                for complete in self._waiting.add(records):
                    self._print(self._writer, complete, root_seen=True)
                self._say_dropped(self._writer)
        except Exception as error:  # noqa: BLE001 - an exporter must not raise into the SDK
            guard.report("exporter.export", error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Print what is left, also what has no root yet.

        Args:
            timeout_millis: not needed: nothing is waited for.

        Returns:
            Whether it could be printed.
        """
        del timeout_millis
        writer = self._writer
        if writer is None or self._is_shut_down:
            return True
        try:
            with self._lock:
                self._print_rest(writer)
        except Exception as error:  # noqa: BLE001 - an exporter must not raise into the SDK
            guard.report("exporter.force_flush", error)
            return False
        return True

    def shutdown(self) -> None:
        """Print what is left and take nothing more."""
        self.force_flush()
        self._is_shut_down = True

    def _print_rest(self, writer: _Output) -> None:
        late = 0
        for rest in self._waiting.rest():
            if rest.is_late:
                late += sum(record.operation.kind is not OperationKind.OTHER for record in rest.records)
            else:
                self._print(writer, rest.records, root_seen=False)
        if late:
            what = "span ended" if late == 1 else "spans ended"
            writer.line(f"otel-agentperf: {late:,} {what} after the report on their run and are not in it")

    def _print(self, writer: _Output, records: Sequence[SpanRecord], *, root_seen: bool) -> None:
        try:
            for judged in self._judge.judge(records, root_seen=root_seen):
                run, summary = judged.run, judged.summary
                if not summary.is_run:
                    self._print_aside(writer, run, summary)
                    continue
                report = report_on(
                    run.root,
                    run.operations,
                    summary,
                    root_seen=root_seen,
                    notes=judged.notes,
                    threshold=self._settings.optimization_threshold,
                )
                writer.report(report)
        except Exception as error:  # noqa: BLE001 - one run that cannot be shown must not hide the others
            guard.report("exporter.print", error)

    def _print_aside(self, writer: _Output, run: TracedRun, summary: RunSummary) -> None:
        """Say what ran beside the runs of agents, beneath a span that is none."""
        totals = summary.totals
        calls = counted(totals.inference_calls + totals.embedding_calls, "model call")
        cost = f" ({money(totals.known_cost_usd, totals.unpriced_calls)})" if totals.billed_calls else ""
        writer.line(f"otel-agentperf: beneath {clean(run.root.name)}, in no agent's run: {calls}{cost}")

    def _say_dropped(self, writer: _Output) -> None:
        if self._waiting.dropped and not self._said_dropped:
            self._said_dropped = True
            limit = self._settings.console_max_spans
            writer.line(
                f"otel-agentperf: more than {limit:,} spans waited for their roots; the oldest traces were dropped "
                "(AGENTPERF_CONSOLE_MAX_SPANS)"
            )


def _judge(settings: config.Settings | None) -> tuple[config.Settings, Judge]:
    try:
        chosen = settings if settings is not None else config.load()
        return chosen, _judge_by(chosen)
    except config.SettingsError as error:
        config.log_refusal(error)
        return config.Settings(), _judge_by(config.Settings())


def _judge_by(settings: config.Settings) -> Judge:
    limits = Limits(settings.max_live_runs, settings.max_sessions, settings.max_run_operations)
    prices = PriceBook(settings.prices)
    return Judge(Engine(chosen_rules(settings), limits, guard.report, prices), prices, finished)


class _Output(Protocol):
    """Where reports go."""

    def report(self, report: RunReport) -> object:
        """Take in one report."""
        ...

    def line(self, text: str) -> None:
        """Take in one line of our own words."""
        ...


class _Filing:
    """Writes each report to a file, and says on the console where."""

    def __init__(self, files: FileWriter, console: ReportWriter | None) -> None:
        self._files = files
        self._console = console

    def report(self, report: RunReport) -> None:
        """Write one report to its file."""
        path = self._files.report(report)
        if path is not None and self._console is not None:
            self._console.line(f"otel-agentperf: report on {clean(report.name)}: {path}")

    def line(self, text: str) -> None:
        """Say one line of our own words."""
        (self._console or self._files).line(text)


def _writer(settings: config.Settings, out: TextIO | None, *, quiet: bool) -> _Output | None:
    form = form_of(settings.report_format, settings.report_path)
    try:
        require(form)
    except MissingExtraError as error:
        _logger.error("%s; no report is made", error)  # noqa: TRY400 - the message says it all
        return None
    if not settings.report_path:
        return ReportWriter(out, form)
    if not settings.report_format and (unknown := unknown_ending(settings.report_path)):
        config.log_once(f"otel-agentperf: {unknown}", logging.WARNING)
    return _Filing(FileWriter(settings.report_path, form), None if quiet else ReportWriter(out))


def writes_files() -> bool:
    """Whether an exporter of this process writes reports to files."""
    return any(isinstance(exporter.output, _Filing) for exporter in list(_exporters))


_exporters: weakref.WeakSet[AgentPerfSpanExporter] = weakref.WeakSet()


def _after_fork() -> None:
    finished.renew_lock()
    for exporter in list(_exporters):
        try:
            exporter.after_fork()
        except Exception as error:  # noqa: BLE001 - the child must start, whatever happens here
            guard.report("exporter.fork", error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
