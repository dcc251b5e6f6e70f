from __future__ import annotations

from decimal import Decimal

import pytest

from otel_agentperf.analysis.breakdown import Breakdown
from otel_agentperf.analysis.ledger import RunHead, session_summary
from otel_agentperf.model import Totals
from otel_agentperf.report.document import document
from otel_agentperf.report.html.page import to_html
from otel_agentperf.report.markdown import to_markdown
from otel_agentperf.report.session import SessionReport, session_report
from otel_agentperf.report.terminal import render

SECOND_NS = 1_000_000_000


def head(place: int, seconds: float, usd: str = "0.01", *, name: str = "research", success: bool = True) -> RunHead:
    start_ns = place * 100 * SECOND_NS
    return RunHead(
        name, "", start_ns, start_ns + round(seconds * SECOND_NS), Totals(Decimal(usd)), 90, None, success, 0
    )


def report_on(heads: list[RunHead]) -> SessionReport:
    return session_report(session_summary("s1", Breakdown(), heads, ()))


SLOWER = report_on([head(place, 1 + 0.1 * place) for place in range(10)])


def test_a_session_whose_runs_become_slower_is_told_to_decline() -> None:
    (line,) = SLOWER.trends
    assert (line.name, line.measure, line.direction, line.runs) == ("research", "duration_s", "declining", 10)
    assert line.per_run == pytest.approx(0.1)
    assert line.p_value < 0.001


def test_a_session_whose_runs_become_cheaper_is_told_to_improve() -> None:
    (line,) = report_on([head(place, 1.0, f"0.{90 - 5 * place}") for place in range(10)]).trends
    assert (line.measure, line.direction) == ("cost_usd", "improving")


def test_every_form_of_the_report_tells_the_trend() -> None:
    said = "Runs of research are declining: +62 % time over 10 runs, +100 ms a run."
    assert said in " ".join(render(SLOWER, width=200).split())
    assert said.replace("+", "\\+") in to_markdown(SLOWER) or said in to_markdown(SLOWER)
    assert said in to_html(SLOWER)
    assert document(SLOWER)["trends"][0]["direction"] == "declining"


def test_runs_that_failed_and_runs_of_another_graph_are_no_part_of_it() -> None:
    heads = [head(place, 1 + 0.1 * place, success=place % 2 == 0) for place in range(14)]
    assert report_on(heads).trends == ()
    assert report_on([head(place, 1 + 0.1 * place, name=f"g{place % 2}") for place in range(14)]).trends == ()


def test_a_steady_session_has_no_trend() -> None:
    assert report_on([head(place, 1 + 0.1 * (place % 2)) for place in range(20)]).trends == ()
