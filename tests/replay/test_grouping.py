from __future__ import annotations

import random
import subprocess
import sys
import threading
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_agentperf import config
from otel_agentperf.replay import local
from otel_agentperf.replay.engines import WorkerDiedError
from otel_agentperf.replay.local import LocalEngine
from otel_agentperf.replay.outcome import Outcome
from otel_agentperf.replay.packing import parted, unpacked
from otel_agentperf.replay.pieces import Layout, Piece, pieces_of
from otel_agentperf.replay.plan import Plan
from otel_agentperf.replay.rounds import join_sessions, map_spans, reduce_spans
from tests.replay.forms import Request, as_lines
from tests.replay.replaying import made_up, put, replayed, request_of, spans_in, told

FUZZ = settings(
    max_examples=40,
    deadline=timedelta(seconds=10),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
REQUESTS = made_up(20)
STRICT = config.load({}, rules={"COST001": {"budget_usd": 0.005}, "LAT001": {"threshold_s": 1.0}})


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("piece_bytes", [500, 9_999, 1 << 30])
def test_the_size_of_the_pieces_changes_nothing(
    name: str, piece_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    data = as_lines(REQUESTS)
    whole = told(replayed(put(tmp_path / "whole.jsonl", data)))
    path = put(tmp_path / name, gzip.compress(data) if name.endswith("gz") else data)
    monkeypatch.setattr(LocalEngine, "piece_bytes", piece_bytes)
    assert told(replayed(path)) == whole


def test_any_order_of_spans_on_file_gives_the_same_report(tmp_path: Path) -> None:
    singles = [request_of(resource, scope, [span]) for resource, scope, span in spans_in(REQUESTS)]
    reports: list[Any] = []
    for seed in range(5):
        random.Random(seed).shuffle(singles)  # noqa: S311 - an order
        reports.append(told(replayed(put(tmp_path / "a.jsonl", as_lines(singles)), settings=STRICT)))
    assert reports[0]["figures"]["suggestions"]
    assert all(report == reports[0] for report in reports)


@FUZZ
@given(st.randoms(use_true_random=False), st.sampled_from([1, 3, 8]))
def test_results_merge_in_any_order(rnd: random.Random, buckets: int) -> None:
    plan = Plan(settings={"rules": {"COST001": {"budget_usd": 0.005}}}, buckets=buckets, top=3)
    requests = list(REQUESTS)
    rnd.shuffle(requests)
    packs: dict[int, list[bytes]] = {}
    for request in requests:
        piece = Piece(source="x", layout=Layout.TEXT, data=as_lines([request]))
        for bucket, pack in map_spans(piece, plan).packs.items():
            packs.setdefault(bucket, []).append(pack)
    for own in packs.values():
        rnd.shuffle(own)
    buckets_of_spans = list(packs.values())
    rnd.shuffle(buckets_of_spans)
    outcome = Outcome(plan, STRICT)
    parts: dict[int, list[bytes]] = {}
    for own in buckets_of_spans:
        reduced = reduce_spans(own, plan)
        outcome.reduced(reduced, 1, 1)
        for bucket, pack in reduced.packs.items():
            parts.setdefault(bucket, []).append(pack)
    for own in parts.values():
        rnd.shuffle(own)
    buckets_of_sessions = list(parts.values())
    rnd.shuffle(buckets_of_sessions)
    for own in buckets_of_sessions:
        outcome.joined(join_sessions(own, plan), 1, 1)
    report = told(outcome)
    assert report == EXPECTED.setdefault("report", report)
    assert report["figures"]["runs"] == 20
    assert report["figures"]["suggestions"]


EXPECTED: dict[str, object] = {}


def test_a_bucket_that_grew_too_large_is_parted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "a.jsonl", as_lines(REQUESTS))
    whole = told(replayed(path))
    monkeypatch.setattr(local, "MAX_BUCKET_BYTES", 10_000)
    assert told(replayed(path)) == whole


def test_parting_a_pack_keeps_each_span_and_each_trace_together(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", as_lines(REQUESTS))
    (piece,) = pieces_of(str(path))
    (pack,) = map_spans(piece, Plan(settings={}, buckets=1)).packs.values()
    (whole,) = unpacked([pack])
    parts = list(unpacked(parted(pack, 1, 7).values()))
    assert len(parts) > 1
    ids = [part.trace_id for pack in parts for part in pack.parts]
    assert sorted(ids) == sorted(part.trace_id for part in whole.parts)
    assert sum(part.spans for pack in parts for part in pack.parts) == len(spans_in(REQUESTS))


def test_worker_processes_say_what_one_process_says_and_leave_nothing_behind(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", as_lines(REQUESTS))
    spills = tmp_path / "spills"
    spills.mkdir()
    assert told(replayed(path, engine=LocalEngine(2, spills))) == told(replayed(path))
    assert list(spills.iterdir()) == []


def test_workers_are_no_copies_of_a_process_with_threads_and_say_the_same(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", as_lines(REQUESTS))
    whole = told(replayed(path))
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert local.start_method() != "fork"
        assert told(replayed(path, engine=LocalEngine(2, tmp_path))) == whole
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how many threads there are")
def test_workers_are_copies_of_a_process_with_one_thread_and_its_prices(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", as_lines(REQUESTS))
    program = """if True:
        import sys
        from otel_agentperf import config
        from otel_agentperf.replay import local, replay, sources
        assert local.start_method() == "fork"
        found = replay.replay(sources.files([sys.argv[1]]), config.load({}), local.LocalEngine(2))
        assert "genai_prices.data" in sys.modules
        assert local.start_method() == "fork"
        print(found.sums.spans, found.sums.runs)
    """
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.split() == [str(len(spans_in(REQUESTS))), "20"]


def test_a_worker_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(local, "map_and_spill", killed)
    with pytest.raises(WorkerDiedError, match="a worker process was killed; there may be too little memory"):
        replayed(put(tmp_path / "a.jsonl", as_lines(REQUESTS)), engine=LocalEngine(1, tmp_path))
    assert not list(tmp_path.glob("agentperf-*"))


# -- runs and processes --------------------------------------------------------------------


def service(name: str, instance: str = "1") -> Request:
    return {
        "attributes": [
            {"key": "service.name", "value": {"stringValue": name}},
            {"key": "service.instance.id", "value": {"stringValue": instance}},
        ]
    }


def test_two_processes_of_one_trace_are_runs_apart(tmp_path: Path) -> None:
    (resource, scope, _), *_ = spans_in(REQUESTS)
    del resource
    spans = [span for _, _, span in spans_in(REQUESTS) if span["traceId"] == spans_in(REQUESTS)[0][2]["traceId"]]
    twice = [
        request_of(service("shop", instance), scope, [{**span, "spanId": f"{place:x}{span['spanId'][1:]}"}])
        for place, instance in enumerate(("a", "b"), 1)
        for span in spans
        if not span["parentSpanId"]
    ]
    outcome = replayed(put(tmp_path / "a.jsonl", as_lines(twice)))
    assert (outcome.sums.traces, outcome.sums.runs) == (1, 2)


def test_a_session_over_two_services_is_one_session(tmp_path: Path) -> None:
    spans = spans_in(REQUESTS)
    shops = [
        request_of(service("shop" if int(span["traceId"][0], 16) % 2 else "till"), scope, [span])
        for _, scope, span in spans
    ]
    mixed = told(replayed(put(tmp_path / "a.jsonl", as_lines(shops))))
    apart = told(replayed(put(tmp_path / "b.jsonl", as_lines(REQUESTS))))
    assert mixed["session_count"] == apart["session_count"] == 5
    assert mixed["figures"]["costs"] == apart["figures"]["costs"]


def test_calls_that_have_no_span_here_are_told_from_what_the_root_says(tmp_path: Path) -> None:
    kept = [
        request_of(resource, scope, [span])
        for resource, scope, span in spans_in(made_up(1))
        if not span["name"].startswith("generate_content gemini-2.5-pro")
    ]
    report = told(replayed(put(tmp_path / "a.jsonl", as_lines(kept))))
    assert report["runs"][0]["notes"] == ["1 of 3 model calls have no span here: not sampled, or lost."]


def test_tool_calls_without_fingerprints_are_told(tmp_path: Path) -> None:
    bare = [
        request_of(
            resource, scope, [{**span, "attributes": [a for a in span["attributes"] if "agentperf" not in a["key"]]}]
        )
        for resource, scope, span in spans_in(made_up(2))
    ]
    report = told(replayed(put(tmp_path / "a.jsonl", as_lines(bare))))
    said = "Tool calls of 2 runs carry no fingerprints: what would be found by comparing them is not."
    assert report["notes"] == [said]


def test_an_evaluation_on_a_span_says_how_its_run_went(tmp_path: Path) -> None:
    label = {"key": "gen_ai.evaluation.score.label", "value": {"stringValue": "fail"}}
    score = {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.25}}
    event = {"name": "gen_ai.evaluation.result", "timeUnixNano": "1", "attributes": [label, score]}
    judged = [
        request_of(
            resource,
            scope,
            [
                {
                    **span,
                    "events": [event] if "execute_tool" in span["name"] else [],
                    "attributes": [a for a in span["attributes"] if "agentperf.run" not in a["key"]],
                }
            ],
        )
        for resource, scope, span in spans_in(made_up(1))
    ]
    figures = told(replayed(put(tmp_path / "a.jsonl", as_lines(judged))))["figures"]
    assert (figures["success_rate"], figures["evaluation"]) == (0.0, 0.25)


def test_a_rule_that_raises_is_told_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from otel_agentperf.rules.latency.lat001_slow_agent import SlowAgent

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    path = put(tmp_path / "a.jsonl", as_lines(REQUESTS))
    for method in ("conclude", "merge", "judge"):
        with monkeypatch.context() as patch:
            patch.setattr(SlowAgent, method, broken)
            report = told(replayed(path, settings=STRICT))
        assert "COST001" in {finding["rule"] for finding in report["figures"]["suggestions"]}
        assert any("LAT001" in note and "ZeroDivisionError" in note for note in report["notes"])
