from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Callable, Mapping
from time import time_ns
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

import otel_agentperf
from otel_agentperf import Advice, config, guard, semconv
from otel_agentperf.advice.results import CacheUse, Kind
from otel_agentperf.api import refusals as refused_calls
from otel_agentperf.baselines.normals import Measure, Subject, SubjectKind
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.live import frames
from tests.instrumentation.google_genai import ways
from tests.instrumentation.langgraph import graphs
from tests.normals import ListNormals
from tests.telemetry import Telemetry, observed

PRO, FLASH = "gemini-2.5-pro", "gemini-2.5-flash"
NS_PER_S = 1_000_000_000
ANSWER = "The ferry from Reykjavik leaves at seven and takes forty passengers along the northern coast."


def ask_model(model: str, seconds: float = 0.5) -> None:
    otel_agentperf.record_model_usage(
        model, input_tokens=1_000, output_tokens=100, start_time_ns=time_ns() - round(seconds * NS_PER_S)
    )


def trip(step: Callable[[], Any], *, aio: bool = False) -> Any:
    """A graph `trip` of one node, `plan`, that runs this."""

    def plan(state: graphs.State) -> graphs.State:
        del state
        step()
        return {"seen": ["plan"]}

    async def aplan(state: graphs.State) -> graphs.State:
        del state
        await step()
        return {"seen": ["plan"]}

    builder = graphs.new()
    builder.add_node("plan", aplan if aio else plan)
    builder.add_edge(graphs.START, "plan")
    builder.add_edge("plan", graphs.END)
    return builder.compile(name="trip")


def know(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process know that flash does at `plan` what pro does, and how long a `trip` takes."""
    normals = ListNormals()
    for model, seconds, dollars in ((PRO, 2.0, 0.01), (FLASH, 1.0, 0.001)):
        subject = Subject(SubjectKind.NODE_MODEL, model, "trip", "plan")
        normals.add_outcomes(subject, 100 if model == PRO else 60, 0)
        normals.add(subject, Measure.DURATION_S, [seconds] * 60)
        normals.add(subject, Measure.COST_USD, [dollars] * 60)
    normals.add(Subject(SubjectKind.NODE, "plan", "trip"), Measure.DURATION_S, [4.0] * 50)
    normals.add(Subject(SubjectKind.GRAPH, "trip"), Measure.DURATION_S, [number / 10 for number in range(1, 101)])
    monkeypatch.setattr(type(telemetry.pipeline), "learned", normals)


def test_nothing_switched_on_abstains_in_every_part() -> None:
    advice = otel_agentperf.advise("click")
    assert advice.abstains
    assert "not switched on" in advice.reasoning
    assert json.dumps(advice.as_dict())


def test_outside_of_a_run_it_goes_by_what_it_is_told() -> None:
    with observed():
        advice = otel_agentperf.advise("click", node="form", graph="shop", models=[PRO, FLASH])
    assert (advice.model.value, advice.model.confidence) == (FLASH, 0.9)
    assert advice.timeout_s.value == 30.0
    assert advice.forecast.abstains == "no run is under way here"


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF])
@pytest.mark.parametrize("aio", [False, True])
def test_within_a_node_it_goes_by_the_past_of_that_node(
    sampler: Sampler, *, aio: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Advice] = []

    async def later() -> None:
        await asyncio.sleep(0)
        said.append(await asyncio.create_task(_advise_later()))

    async def _advise_later() -> Advice:
        return otel_agentperf.advise()

    with observed(sampler=sampler) as telemetry:
        know(telemetry, monkeypatch)
        if aio:
            asyncio.run(trip(later, aio=True).ainvoke({"seen": []}))
        else:
            trip(lambda: said.append(otel_agentperf.advise())).invoke({"seen": []})
        telemetry.assert_sound()
    (advice,) = said
    assert (advice.model.value, advice.model.source) == (FLASH, "learned")
    assert advice.timeout_s.value == pytest.approx(6.0)
    assert advice.forecast.value is not None
    assert advice.forecast.value.time_s is not None
    assert advice.improvement is not None
    assert advice.improvement.cost_usd == pytest.approx(0.009)


def test_a_thread_that_took_the_context_with_it_knows_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    import contextvars

    said: list[Advice] = []

    def in_a_thread() -> None:
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: said.append(context.run(otel_agentperf.advise)))
        thread.start()
        thread.join()

    with observed() as telemetry:
        know(telemetry, monkeypatch)
        trip(in_a_thread).invoke({"seen": []})
    assert said[0].model.source == "learned"


def test_advice_stands_on_the_span_of_its_node_in_names_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def step() -> None:
        otel_agentperf.advise("plan a trip for a canary", arguments={"who": "canary"}, pending=("search", "book"))
        ask_model(FLASH)

    with observed() as telemetry:
        know(telemetry, monkeypatch)
        trip(step).invoke({"seen": []})
        span = telemetry.one("invoke_node plan")
    advised, came = (event for event in span.events if event.name.startswith(semconv.EVENT_ADVICE))
    attributes = advised.attributes or {}
    assert attributes[semconv.ADVICE_MODEL] == FLASH
    assert attributes[semconv.ADVICE_NODE] == "plan"
    assert attributes[semconv.ADVICE_ACTION] == "complex"
    assert attributes[semconv.ADVICE_SAVINGS_COST] == pytest.approx(0.009)
    assert (came.attributes or {})[f"{semconv.ADVICE_OUTCOME}model"] == "right"
    assert "canary" not in span.to_json()


@pytest.mark.parametrize(
    ("model", "fails", "expected"), [(FLASH, False, "right"), (PRO, False, "ignored"), (FLASH, True, "wrong")]
)
def test_what_came_of_advice_is_counted_and_corrects_the_next(
    model: str, *, fails: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Advice] = []

    def step() -> None:
        said.append(otel_agentperf.advise())
        ask_model(model, seconds=1.0)
        if fails:
            raise ValueError("no")

    with observed() as telemetry:
        know(telemetry, monkeypatch)
        for _ in range(3):
            try:
                trip(step).invoke({"seen": []})
            except ValueError:
                assert fails
        counts = {
            (point.attributes or {})[semconv.ADVICE_CAME]: point
            for point in telemetry.points(semconv.METRIC_ADVICE)
            if (point.attributes or {})[semconv.ADVICE_KIND] == "model"
        }
        told = telemetry.pipeline.advisor.followed.exported().get("model/learned", {})
        assert telemetry.pipeline.advisor.followed.drain()["model/learned"] == told
        assert telemetry.pipeline.advisor.followed.drain() == {}
    assert set(counts) == {expected}
    assert told.get(expected) == 3
    first, *_, last = said
    if expected == "right":
        assert last.model.confidence >= first.model.confidence
        assert last.model.evidence["advice_right"] == 2
    elif expected == "wrong":
        assert last.model.confidence < first.model.confidence
    else:
        assert last.model.confidence == first.model.confidence


def test_a_forecast_is_judged_when_its_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with observed() as telemetry:
        know(telemetry, monkeypatch)
        trip(otel_agentperf.advise).invoke({"seen": []})
        counts = telemetry.pipeline.advice_counts
    judged = {str(outcome) for kind, outcome in counts if kind is Kind.FORECAST}
    assert judged == {"wrong"}, "a run of some milliseconds is shorter than nine in ten of 0.1 to 10 s"


@pytest.mark.parametrize(
    ("model", "expected"), [(FLASH, {"right": 1, "wrong": 1}), ("a-model-without-price", {"unseen": 1, "wrong": 1})]
)
def test_the_cost_of_a_forecast_is_judged_where_its_time_was_too(
    model: str, expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def step() -> None:
        otel_agentperf.advise()
        ask_model(model, seconds=0.0)

    with observed() as telemetry:
        know(telemetry, monkeypatch)
        learned = telemetry.pipeline.learned
        assert isinstance(learned, ListNormals)
        costs = [number / 100_000 for number in range(1, 101)]
        learned.add(Subject(SubjectKind.GRAPH, "trip"), Measure.COST_USD, costs)
        trip(step).invoke({"seen": []})
        counts = telemetry.pipeline.advice_counts
    judged = {str(outcome): count for (kind, outcome), count in counts.items() if kind is Kind.FORECAST}
    assert judged == expected


def test_what_is_remembered_of_advice_is_let_go_of_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def step() -> None:
        for _ in range(500):
            otel_agentperf.advise("plan", node="later")

    with observed() as telemetry:
        know(telemetry, monkeypatch)
        trip(step).invoke({"seen": []})
        followed = telemetry.pipeline.advisor.followed
        assert not followed.waiting
        assert sum(followed.counts.values()) == 500 * len(Kind)
        events = [event for event in telemetry.one("invoke_node plan").events if event.name == semconv.EVENT_ADVICE]
    assert len(events) == 64


def test_the_pace_of_the_last_five_minutes_decides_where_nothing_else_is_known() -> None:
    now = [0]
    said: list[tuple[str | None, float | None]] = []

    def ask() -> None:
        advice = otel_agentperf.advise("summarise", models=[PRO, FLASH])
        said.append((advice.model.value, advice.timeout_s.value))

    with observed() as telemetry:
        telemetry.pipeline.inferences._clock = lambda: now[0]  # pyright: ignore[reportPrivateUsage]
        ask()
        ask_model(PRO, seconds=6.0)
        ask()
        now[0] = 301 * NS_PER_S
        ask()
    assert said == [(PRO, 30.0), (FLASH, 45.0), (PRO, 30.0)]


def test_the_same_arguments_with_the_same_result_in_three_runs_are_reused() -> None:
    def look_up() -> None:
        with otel_agentperf.action("get_prices", arguments={"city": "Rome"}) as action:
            action.result([1, 2])

    with observed():
        for _ in range(2):
            trip(look_up).invoke({"seen": []})
        early = otel_agentperf.advise("get_prices", arguments={"city": "Rome"})
        trip(look_up).invoke({"seen": []})
        advice = otel_agentperf.advise("get_prices", arguments={"city": "Rome"})
        other = otel_agentperf.advise("get_prices", arguments={"city": "Oslo"})
    assert early.cache.value is None
    assert advice.cache.value is CacheUse.REUSE
    assert advice.cache.evidence["runs"] == 3
    assert other.cache.value is None


def test_advice_is_learned_from_the_runs_of_this_process() -> None:
    said: list[Advice] = []

    def step() -> None:
        said.append(otel_agentperf.advise())
        ask_model(FLASH, seconds=1.0)

    with observed() as telemetry:
        assert telemetry.pipeline.learner is not None
        for _ in range(40):
            trip(step).invoke({"seen": []})
        telemetry.pipeline.learner.settle()
        telemetry.pipeline.advisor.profiles.forget()
        trip(step).invoke({"seen": []})
    assert said[0].model.source == "otherwise"
    assert said[0].forecast.abstains == "not enough data: 0 of 30 finished runs"
    assert (said[-1].model.value, said[-1].model.source) == (FLASH, "learned")
    assert said[-1].timeout_s.source == "learned"
    assert said[-1].forecast.value is not None


def in_a_row(nodes: Mapping[str, Callable[[graphs.State], graphs.State]], said: list[Advice]) -> Any:
    """A graph of these nodes, one after another, and one that asks which of them may run at once."""

    def ask(state: graphs.State) -> None:
        del state
        said.append(otel_agentperf.advise(pending=tuple(nodes)))

    builder = graphs.new()
    for name, node in (*nodes.items(), ("ask", ask)):
        builder.add_node(name, node)
    for before, after in itertools.pairwise((graphs.START, *nodes, "ask")):
        builder.add_edge(before, after)
    return builder.compile(name="trip")


def asking_for(client: Any, what: str) -> Callable[[graphs.State], graphs.State]:
    def node(state: graphs.State) -> graphs.State:
        del state
        client.models.generate_content(model=FLASH, contents=what)
        return {"seen": [what]}

    return node


@pytest.mark.parametrize(("answer", "expected"), [(ANSWER, (("search", "read"),)), ("57", None)], ids=["long", "short"])
def test_steps_whose_requests_used_no_answer_of_one_another_in_three_runs_may_run_at_once(
    answer: str, expected: object
) -> None:
    said: list[Advice] = []
    with GeminiServer(FixedResponder((answer,))) as server, observed():
        client = ways.client_of(server)
        graph = in_a_row({name: asking_for(client, f"{name} it") for name in ("search", "read")}, said)
        for _ in range(3):
            graph.invoke({"seen": []})
    assert [advice.parallel.value for advice in said] == [None, None, expected]


def test_of_steps_that_ask_no_model_nothing_is_said() -> None:
    said: list[Advice] = []
    graph = in_a_row({name: graphs.node(name) for name in ("fetch", "parse", "write")}, said)
    with observed():
        for _ in range(5):
            graph.invoke({"seen": []})
    assert [advice.parallel.value for advice in said] == [None] * 5
    assert said[-1].parallel.abstains is not None
    assert "not enough data" in said[-1].parallel.abstains


def test_a_step_whose_request_used_an_answer_waits_for_the_step_that_asked_for_it() -> None:
    said: list[Advice] = []

    def ask(state: graphs.State) -> None:
        del state
        said.append(otel_agentperf.advise(pending=("search", "write", "draw")))

    def called(name: str, client: Any, messages: list[Any]) -> Callable[[graphs.State], graphs.State]:
        def node(state: graphs.State) -> graphs.State:
            del state
            answer = client.models.generate_content(model=FLASH, contents=list(messages))
            messages.append(answer.candidates[0].content)
            return {"seen": [name]}

        return node

    with GeminiServer(FixedResponder((ANSWER,))) as server, observed():
        client = ways.client_of(server)
        for _ in range(3):
            thread: list[Any] = [{"role": "user", "parts": [{"text": "find"}]}]
            builder = graphs.new()
            nodes = (
                ("search", called("search", client, thread)),
                ("write", called("write", client, thread)),
                ("draw", called("draw", client, [{"role": "user", "parts": [{"text": "a cat"}]}])),
                ("ask", ask),
            )
            for before, (name, node) in zip((graphs.START, "search", "write", "draw"), nodes, strict=True):
                builder.add_node(name, node)
                builder.add_edge(before, name)
            builder.compile(name="trip").invoke({"seen": []})
    assert said[-1].parallel.value == (("search", "draw"), ("write",))


def test_a_past_that_has_become_old_is_made_anew_beside_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]
    makers: list[threading.Thread] = []
    with observed() as telemetry:
        profiles = telemetry.pipeline.advisor.profiles
        make: Callable[..., Any] = profiles._make  # pyright: ignore[reportPrivateUsage]

        def spy(*given: Any) -> Any:
            makers.append(threading.current_thread())
            return make(*given)

        monkeypatch.setattr(profiles, "_clock", lambda: now[0])
        monkeypatch.setattr(profiles, "_make", spy)
        said = [otel_agentperf.advise(node="plan", graph="trip")]
        know(telemetry, monkeypatch)
        now[0] = 11 * NS_PER_S
        said.append(otel_agentperf.advise(node="plan", graph="trip"))
        profiles.refresher.settle()
        said.append(otel_agentperf.advise(node="plan", graph="trip"))
    assert [advice.model.source for advice in said] == ["otherwise", "otherwise", "learned"]
    assert [thread is threading.current_thread() for thread in makers] == [True, False]


def test_in_the_first_seconds_of_a_node_its_past_is_looked_at_every_second() -> None:
    now = [0]
    said: list[Advice] = []

    def step() -> None:
        said.append(otel_agentperf.advise())
        ask_model(FLASH, seconds=1.0)

    def a_second_of_runs(telemetry: Telemetry, runs: int) -> None:
        for _ in range(runs):
            trip(step).invoke({"seen": []})
        assert telemetry.pipeline.learner is not None
        telemetry.pipeline.learner.settle()
        now[0] += NS_PER_S + 1

    with observed() as telemetry:
        profiles = telemetry.pipeline.advisor.profiles
        profiles._clock = lambda: now[0]  # pyright: ignore[reportPrivateUsage]
        a_second_of_runs(telemetry, 40)
        trip(step).invoke({"seen": []})
        profiles.refresher.settle()
        limit = profiles.request_limit("trip", "plan", FLASH)
        trip(step).invoke({"seen": []})
    assert "never seen before" in said[0].model.reasoning
    assert [advice.model.source for advice in (said[0], said[-1])] == ["otherwise", "learned"]
    assert said[-1].forecast.value is not None
    assert limit is not None


def test_the_seam_is_told_model_and_time_limit_of_the_node_of_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    with observed() as telemetry:
        know(telemetry, monkeypatch)
        advisor = telemetry.pipeline.advisor
        trip(lambda: said.append(advisor.for_request(frames.current(), allowed=(PRO, FLASH)))).invoke({"seen": []})
        assert not telemetry.pipeline.advice_counts
    (advice,) = said
    assert advice.model.value == FLASH
    assert advice.timeout_s.value == pytest.approx(1.5)
    assert advice.samples == 160


class Hostile:
    def __iter__(self) -> Any:
        raise RuntimeError("canary")

    def __str__(self) -> str:
        raise RuntimeError("canary")

    __repr__ = __str__
    __hash__ = None  # pyright: ignore[reportAssignmentType]


HOSTILE: list[dict[str, Any]] = [
    {"action": None},
    {"action": 7},
    {"action": "plan" * 100_000},
    {"node": Hostile()},
    {"models": 7},
    {"models": FLASH},
    {"models": [None, FLASH]},
    {"models": (str(number) for number in range(10_000))},
    {"pending": 7},
    {"pending": "step"},
    {"pending": {"a": 7, 8: "b"}},
    {"pending": {str(number): [str(number + 1)] for number in range(10_000)}},
    {"arguments": Hostile(), "action": "get"},
    {"arguments": float("nan")},
    {"graph": b"bytes"},
]


@pytest.mark.parametrize("wrong", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_arguments_still_get_an_advice(wrong: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    refused_calls._refused.clear()  # pyright: ignore[reportPrivateUsage]
    with observed():
        advice = otel_agentperf.advise(**wrong)
        assert json.dumps(advice.as_dict())
        assert not guard.error_counts()
    assert "canary" not in caplog.text


@pytest.mark.parametrize("argument", ["models", "pending"])
def test_what_raises_when_it_is_looked_at_does_not_reach_the_program(
    argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTPERF_GUARD", "swallow")
    with observed():
        wrong: dict[str, Any] = {argument: Hostile()}
        advice = otel_agentperf.advise("click", **wrong)
    assert advice.abstains
    assert "internal error" in advice.reasoning


def test_a_forked_child_counts_its_own_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    with observed() as telemetry:
        know(telemetry, monkeypatch)
        otel_agentperf.advise("plan")
        before = telemetry.pipeline.advice_counts
        assert before
        telemetry.pipeline.renew()  # what the hook of a fork calls in the child
        assert not telemetry.pipeline.advice_counts
        assert otel_agentperf.advise("plan").model.value is not None


def test_learning_switched_off_leaves_the_rules_of_thumb() -> None:
    with observed(settings=config.Settings(learn=False)):
        advice = otel_agentperf.advise("click", node="form")
    assert advice.model.value == FLASH
    assert advice.forecast.value is None
