from __future__ import annotations

from otel_agentperf.model import Operation, OperationKind, Totals
from otel_agentperf.reading.sdk import SpanRecord
from otel_agentperf.reading.verdicts import RecordedRun
from otel_agentperf.reading.waiting import WaitingSpans

RECORDED = RecordedRun(100, "A", (), success=True, score=None, suggestions=0, totals=Totals())


def record(trace: str, span_id: str, parent: str | None, *, judged: bool = False) -> SpanRecord:
    operation = Operation(OperationKind.NODE, span_id, span_id, 0, 1, parent, trace)
    return SpanRecord(operation, is_local_root=parent is None, recorded=RECORDED if judged else None)


def ids(group: list[SpanRecord] | tuple[SpanRecord, ...]) -> set[str]:
    return {item.operation.span_id for item in group}


def test_spans_wait_until_their_root_comes_in_a_later_batch() -> None:
    waiting = WaitingSpans(100)
    assert waiting.add([record("t", "b", "a")]) == []
    assert len(waiting) == 1
    (group,) = waiting.add([record("t", "a", None)])
    assert ids(group) == {"a", "b"}
    assert len(waiting) == 0


def test_a_judged_root_does_not_wait_for_the_span_around_it() -> None:
    waiting = WaitingSpans(100)
    (group,) = waiting.add([record("t", "node", "run"), record("t", "run", "caller", judged=True)])
    assert ids(group) == {"node", "run"}
    assert [ids(g) for g in waiting.add([record("t", "caller", None)])] == [{"caller"}]


def test_a_topmost_span_takes_the_judged_runs_beneath_it_along() -> None:
    waiting = WaitingSpans(100)
    groups = waiting.add([record("t", "run", "caller", judged=True), record("t", "caller", None)])
    assert [ids(group) for group in groups] == [{"run", "caller"}]


def test_two_roots_in_one_trace_do_not_take_each_others_spans() -> None:
    waiting = WaitingSpans(100)
    groups = waiting.add([record("t", "a1", "a"), record("t", "b1", "b"), record("t", "a", None)])
    assert [ids(group) for group in groups] == [{"a", "a1"}]
    assert [ids(group) for group in waiting.add([record("t", "b", None)])] == [{"b", "b1"}]


def test_what_comes_after_its_root_is_late_and_what_never_got_one_is_not() -> None:
    waiting = WaitingSpans(100)
    waiting.add([record("t", "a", None)])
    waiting.add([record("t", "late", "a"), record("u", "lost", "gone")])
    assert {(tuple(ids(rest.records)), rest.is_late) for rest in waiting.rest()} == {
        (("late",), True),
        (("lost",), False),
    }
    assert len(waiting) == 0
    assert waiting.rest() == []


def test_beyond_the_limit_the_oldest_traces_are_dropped_whole_and_counted() -> None:
    waiting = WaitingSpans(3)
    waiting.add([record("old", "1", "x"), record("old", "2", "x")])
    waiting.add([record("new", "3", "x"), record("new", "4", "x")])
    assert (waiting.dropped, len(waiting)) == (2, 2)
    assert [ids(rest.records) for rest in waiting.rest()] == [{"3", "4"}]


def test_the_same_span_twice_is_held_once() -> None:
    waiting = WaitingSpans(100)
    waiting.add([record("t", "b", "a")])
    waiting.add([record("t", "b", "a")])
    assert len(waiting) == 1
