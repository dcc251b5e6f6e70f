from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan

from otel_agentperf import config, guard
from otel_agentperf.analysis.engine import Engine
from otel_agentperf.analysis.fold import Digest, Fold, digest
from otel_agentperf.analysis.runs import Run, ScopeState
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.baselines.normals import Measure
from otel_agentperf.live.pipeline import Pipeline
from otel_agentperf.model import Extent, Operation, Suggestion
from otel_agentperf.plugins import chosen_rules
from otel_agentperf.pricing import PriceBook
from otel_agentperf.reading import runs_of
from otel_agentperf.reading.judge import priced
from otel_agentperf.reading.sdk import read_span
from otel_agentperf.rules.base import Scope
from tests.analysis.programs import Writer, play, sampled
from tests.normals import SameForAll
from tests.telemetry import observed

SETTINGS = config.Settings(
    fingerprint_key="test",
    metrics=False,
    rules={"COST001": {"budget_usd": 0.02}, "LAT001": {"threshold_s": 0.5}, "CACHE001": {"min_saving_usd": 0}}
    | {"COST011": {"budget_usd": 0.02}, "LAT011": {"deadline_s": 1.0}}
    | {code: {"alpha": 0.25, "min_today": 2} for code in ("LAT010", "COST010")}
    | {"RES002": {"min_runs": 3, "min_growth_percent": 1}, "RES004": {"min_runs": 3}},
)
PRICES = PriceBook()
NORMALS = SameForAll({Measure.DURATION_S: [0.01, 0.1, 0.5, 2.0] * 50, Measure.COST_USD: [0.0, 0.001, 0.01, 0.03] * 50})
RULES = chosen_rules(SETTINGS)
RARELY_SPEAKING = {"COST002", "ERR001", "ERR002", "RES003"}
SCOPES = {rule.code: rule.scope for rule in RULES}


@dataclass
class Words:
    """What was said in the end: by scope and its name, rule and target."""

    said: dict[tuple[str, str], dict[tuple[str, str], Suggestion]] = field(
        default_factory=dict[tuple[str, str], "dict[tuple[str, str], Suggestion]"]
    )

    def add(self, scope: Scope, name: str, suggestions: Iterable[Suggestion]) -> None:
        """What they are about is set by the engine and the fold, and is not compared."""
        mine = {
            suggestion.key: msgspec.structs.replace(suggestion, extent=Extent.RUN)
            for suggestion in suggestions
            if SCOPES[suggestion.rule] is scope
        }
        self.said[scope.value, name] = mine

    def rules(self) -> Counter[str]:
        return Counter(rule for said in self.said.values() for rule, _ in said)


def live(seed: int) -> tuple[Words, list[ReadableSpan]]:
    """Play a program through the pipeline, and give its words and its spans."""
    finished: list[tuple[Run, Operation, RunSummary]] = []
    with observed(settings=SETTINGS, instrument=False) as telemetry:
        engine = telemetry.pipeline.engine
        engine.tell(NORMALS)
        finish = engine.finish

        def finish_and_keep(run: Run, root: Operation) -> tuple[RunSummary, list[Suggestion]]:
            summary, news = finish(run, root)
            finished.append((run, root, summary))
            return summary, news

        engine.finish = finish_and_keep
        program = Writer(seed).program()
        with sampled(program, Random(seed)):  # noqa: S311 - made-up samples
            play(telemetry, program)
        telemetry.assert_sound()
        spans = telemetry.spans
        words = Words()
        for run, root, summary in finished:
            words.add(Scope.RUN, root.span_id, summary.suggestions)
            words.add(
                Scope.SESSION, run.session.id or root.span_id, final(telemetry.pipeline, Scope.SESSION, run.session)
            )
            words.add(Scope.PROCESS, "", final(telemetry.pipeline, Scope.PROCESS, run.process))
    return words, spans


def final(pipeline: Pipeline, scope: Scope, state: ScopeState) -> list[Suggestion]:
    """The last word of a session or the process."""
    rules = [rule for rule in pipeline.engine.rules if rule.scope is scope]
    return [
        suggestion
        for rule, own in zip(rules, state.rule_states, strict=True)
        if own is not None
        for suggestion in rule.judge(own, state.view)
    ]


def replayed(spans: list[ReadableSpan], random: Random, grain_ns: int = 1) -> Words:
    """Read the spans in some order, judge each run alone, and join them in some order.

    Times are cut down to multiples of the grain.
    """
    spans = list(spans)
    random.shuffle(spans)
    traces: dict[str, list[Operation]] = defaultdict(list)
    for span in spans:
        record = read_span(span)
        assert record is not None
        operation = record.operation
        start_ns, end_ns = (ns // grain_ns * grain_ns for ns in (operation.start_ns, operation.end_ns))
        traces[operation.trace_id].append(msgspec.structs.replace(operation, start_ns=start_ns, end_ns=end_ns))
    words = Words()
    sessions: dict[str, Fold] = {}
    process = Fold(RULES, Scope.PROCESS, "process", PRICES, normals=NORMALS)
    digests: list[tuple[str, str, Digest]] = []
    engine = Engine(RULES, on_error=guard.report, prices=PRICES, normals=NORMALS)
    for operations in traces.values():
        for run in runs_of(operations):
            root = run.root
            alone = engine.begin(root.name, root.session_id, root.start_ns, alone=True)
            if run.holds_runs:
                engine.set_aside(alone)
            for operation in run.operations:
                if operation.span_id != root.span_id:
                    engine.observe(alone, priced(operation, PRICES))
            summary, _ = engine.finish(alone, priced(root, PRICES))
            words.add(Scope.RUN, root.span_id, summary.suggestions)
            packed = pickle.dumps(digest(engine, alone))
            digests.append((root.session_id or root.span_id, root.session_id or root.name, pickle.loads(packed)))  # noqa: S301 - our own
    random.shuffle(digests)
    for key, name, part in digests:
        sessions.setdefault(key, Fold(RULES, Scope.SESSION, name, PRICES, normals=NORMALS)).add(part)
        process.add(part)
    for key, fold in sessions.items():
        words.add(Scope.SESSION, key, fold.judge())
    words.add(Scope.PROCESS, "", process.judge())
    return words


def difference(one: Words, other: Words) -> list[str]:
    """In plain words, for the message of a failing test."""
    lines: list[str] = []
    for scope in sorted({*one.said, *other.said}):
        mine, theirs = one.said.get(scope, {}), other.said.get(scope, {})
        for key in sorted({*mine, *theirs}):
            if mine.get(key) != theirs.get(key):
                lines += [f"{scope} {key}", f"  live     {mine.get(key)}", f"  replayed {theirs.get(key)}"]
    return lines


@given(seed=st.integers(0, 2**32), shuffle=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(seed=1, shuffle=1)
def test_a_program_says_the_same_live_and_from_its_spans_in_any_order(seed: int, shuffle: int) -> None:
    lived, spans = live(seed)
    assert difference(lived, replayed(spans, Random(shuffle))) == []  # noqa: S311 - an order, no secret


@given(seed=st.integers(0, 2**32), shuffle=st.integers(0, 2**32), grain_ms=st.sampled_from([1, 100, 5_000]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_spans_of_the_same_times_say_the_same_in_any_order(seed: int, shuffle: int, grain_ms: int) -> None:
    _, spans = live(seed)
    one, other = (replayed(spans, Random(number), grain_ms * 1_000_000) for number in (shuffle, shuffle + 1))  # noqa: S311 - orders
    assert difference(one, other) == []


def test_the_programs_give_the_rules_something_to_say() -> None:
    silent = {rule.code for rule in RULES} - RARELY_SPEAKING
    for seed in range(300):
        silent -= set(live(seed)[0].rules())
        if not silent:
            break
    assert silent == set()
