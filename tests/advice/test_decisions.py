from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from otel_agentperf.advice import caching, machine, models, parallel, remaining, timeouts, whole
from otel_agentperf.advice.actions import Work, name_for_telemetry, work_of
from otel_agentperf.advice.facts import Load, Models, Pace, Past, Place, Progress, Prompting, Seen
from otel_agentperf.advice.parallel import Links
from otel_agentperf.advice.results import Advice, CacheUse, Part, Pressure, abstain
from otel_agentperf.advice.sizes import concrete
from otel_agentperf.baselines.known import Table
from otel_agentperf.baselines.normals import Measure, Subject, SubjectKind
from otel_agentperf.baselines.sketch import Sketch
from otel_agentperf.pricing.families import Size
from tests.normals import ListNormal, ListNormals

PRO, FLASH, LITE = "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"
KNOWN = (PRO, FLASH, LITE, "gemini-3.1-pro-preview", "gemini-3.5-flash", "gemini-3.6-flash", "gemini-flash-latest")


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("click", Work.SIMPLE),
        ("clickButton", Work.SIMPLE),
        ("browser_type_text", Work.SIMPLE),
        ("Scrolling down", Work.SIMPLE),
        ("wait", Work.SIMPLE),
        ("analyse", Work.COMPLEX),
        ("analyze_page", Work.COMPLEX),
        ("Analysis of the market", Work.COMPLEX),
        ("planning", Work.COMPLEX),
        ("PLAN", Work.COMPLEX),
        ("deciding", Work.COMPLEX),
        ("evaluation", Work.COMPLEX),
        ("decide where to click", Work.COMPLEX),
        ("airplane", None),
        ("typescript", None),
        ("await", None),
        ("planet", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_an_action_is_simple_or_to_think_about_by_its_words(action: str, expected: Work | None) -> None:
    assert work_of(action) is expected


def test_a_sentence_is_no_name_and_does_not_reach_telemetry() -> None:
    assert name_for_telemetry("plan_trip") == "plan_trip"
    assert name_for_telemetry("plan a trip for Ada Lovelace") == "complex"
    assert name_for_telemetry("tell Ada Lovelace") == "other"


@pytest.mark.parametrize(
    ("action", "pace", "size", "confidence"),
    [
        ("click", Pace(), FLASH, 0.9),
        ("plan", Pace(100, 60.0), PRO, 0.8),
        ("summarise", Pace(10, 3.1), FLASH, 0.7),
        ("summarise", Pace(10, 3.0), PRO, 0.6),
        ("summarise", Pace(), PRO, 0.6),
        ("", Pace(1, 0.1), PRO, 0.6),
    ],
)
def test_a_node_never_seen_takes_its_model_by_kind_of_work_and_pace(
    action: str, pace: Pace, size: str, confidence: float
) -> None:
    part = models.by_kind(action, pace, Models(usual=PRO, known=KNOWN))
    assert (part.value, part.confidence, part.improvement) == (size, confidence, None)


@pytest.mark.parametrize(
    ("size", "usual", "allowed", "expected"),
    [
        (Size.FLASH, "", (), FLASH),
        (Size.PRO, "", (), PRO),
        (Size.FLASH, PRO, (), FLASH),
        (Size.FLASH, "gemini-3.1-pro-preview", (), "gemini-3.5-flash"),
        (Size.PRO, "models/gemini-3.6-flash", (), "gemini-3.1-pro-preview"),
        (Size.FLASH, "gemini-3.6-flash", (), "gemini-3.6-flash"),
        (Size.FLASH, "gpt-4o", (), None),
        (Size.FLASH, PRO, (PRO, "models/gemini-2.5-flash"), "models/gemini-2.5-flash"),
        (Size.FLASH, PRO, (PRO, LITE), LITE),
        (Size.FLASH, "gemini-3.1-pro-preview", (FLASH, "gemini-3.6-flash"), "gemini-3.6-flash"),
        (Size.PRO, PRO, (FLASH,), None),
        (Size.FLASH, "", ("my-own-model",), None),
    ],
)
def test_flash_and_pro_are_of_the_generation_in_use_and_never_beside_the_allowed_ones(
    size: Size, usual: str, allowed: tuple[str, ...], expected: str | None
) -> None:
    assert concrete(size, usual, allowed, KNOWN) == expected


def seen_at_node(*records: tuple[str, int, int, float, float]) -> ListNormals:
    """A node `plan` of `trip`: model, successes, failures, seconds and dollars of each request."""
    normals = ListNormals()
    for model, successes, failures, seconds, dollars in records:
        subject = Subject(SubjectKind.NODE_MODEL, model, "trip", "plan")
        normals.add_outcomes(subject, successes, failures)
        normals.add(subject, Measure.DURATION_S, [seconds] * max(1, successes))
        normals.add(subject, Measure.COST_USD, [dollars] * (successes + failures))
    return normals


def learned(normals: ListNormals, allowed: tuple[str, ...] = ()) -> models.Chosen:
    return models.learned(Past(normals, Place("trip", "plan")), Models(allowed))


@pytest.mark.parametrize(
    ("flash", "expected"),
    [
        ((60, 0, 1.0, 0.001), FLASH),
        ((60, 0, 2.6, 0.001), PRO),  # more than 1.25 times as slow
        ((50, 10, 1.0, 0.001), PRO),  # fails too often
        ((19, 0, 1.0, 0.001), PRO),  # seen too seldom
        ((60, 0, 1.0, 0.02), PRO),  # dearer
    ],
)
def test_the_cheapest_model_that_held_quality_and_latency_is_advised(
    flash: tuple[int, int, float, float], expected: str
) -> None:
    part = learned(seen_at_node((PRO, 98, 2, 2.0, 0.01), (FLASH, *flash))).part
    assert part is not None
    assert part.value == expected
    assert part.source == "learned"
    if expected == FLASH:
        assert part.improvement is not None
        assert part.improvement.cost_usd == pytest.approx(0.009)
        assert part.improvement.time_s == pytest.approx(1.0)


def test_a_model_that_is_not_allowed_is_not_advised_however_well_it_did() -> None:
    chosen = learned(seen_at_node((PRO, 98, 2, 2.0, 0.01), (FLASH, 60, 0, 1.0, 0.001)), (PRO, LITE))
    assert chosen.part is not None
    assert chosen.part.value == PRO
    assert chosen.untried == LITE


def test_a_node_seen_too_seldom_goes_by_the_kind_of_work_and_says_how_often_it_was_seen() -> None:
    chosen = learned(seen_at_node((PRO, 4, 0, 2.0, 0.01)))
    assert chosen.part is None
    part = models.by_kind("click", Pace(), Models(usual=PRO, known=KNOWN), chosen.samples)
    assert part.evidence["samples"] == 4
    assert "4 of 20" in part.reasoning


def test_where_no_allowed_model_did_as_well_it_abstains_and_says_how_they_did() -> None:
    part = learned(seen_at_node((PRO, 100, 0, 2.0, 0.01), (FLASH, 10, 50, 1.0, 0.001)), (FLASH,)).part
    assert part is not None
    assert (part.value, part.confidence) == (None, 0.0)
    assert part.abstains is not None
    assert "17% of 60" in part.abstains
    assert part.evidence["success_rate"] == pytest.approx(0.1667)


def test_a_model_without_a_price_is_said_to_have_none() -> None:
    normals = ListNormals()
    subject = Subject(SubjectKind.NODE_MODEL, "my-model", "trip", "plan")
    normals.add_outcomes(subject, 100, 0)
    normals.add(subject, Measure.DURATION_S, [1.0] * 100)
    part = learned(normals).part
    assert part is not None
    assert part.abstains == "what requests to my-model cost is not known"


@pytest.mark.parametrize(("failures", "expected"), [(4, FLASH), (5, None), (19, None)])
def test_the_kind_of_work_names_no_model_that_was_seen_to_fail(failures: int, expected: str | None) -> None:
    chosen = learned(seen_at_node((FLASH, 0, failures, 1.0, 0.001)))
    assert chosen.part is None
    part = models.by_kind("click", Pace(), Models(usual=PRO, known=KNOWN), chosen.most_samples, chosen.failing)
    assert part.value == expected
    if expected is None:
        assert part.abstains is not None
        assert f"100% of {failures} requests to it failed" in part.abstains


def test_two_models_each_seen_too_seldom_are_not_added_up() -> None:
    chosen = learned(seen_at_node((PRO, 15, 0, 2.0, 0.01), (FLASH, 15, 0, 1.0, 0.001)))
    assert (chosen.part, chosen.samples, chosen.most_samples) == (None, 30, 15)


def test_a_step_that_was_not_named_is_not_said_to_be_new() -> None:
    part = models.by_kind("click", Pace(), Models(usual=PRO, known=KNOWN), is_named=False)
    assert "was not said" in part.reasoning


def test_nothing_learned_names_no_model() -> None:
    assert models.learned(Past(None, Place("trip", "plan")), Models()) == models.Chosen(None, 0, None)


@pytest.mark.parametrize(
    ("pace", "expected"),
    [
        (Pace(), 30.0),
        (Pace(3, 5.1), 45.0),
        (Pace(3, 5.0), 30.0),
        (Pace(3, 0.9), 21.0),
        (Pace(3, 1.0), 30.0),
    ],
)
def test_without_a_past_the_time_limit_goes_by_the_pace(pace: Pace, expected: float) -> None:
    assert timeouts.by_pace(pace, 4).value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("durations_s", "expected"),
    [
        ([2.0] * 100, 3.0),
        ([2.0] * 999 + [5.0], 5.5),  # slow, and not far outside
        ([2.0] * 999 + [600.0], 3.0),  # one hang
        ([2.0] * 998 + [5.0, 600.0], 5.5),
        ([2.0] * 19 + [600.0], 3.0),  # one hang of few
        ([2.0] * 18 + [600.0] * 2, 900.0),  # no longer just one
        ([2.0] * 990 + [600.0] * 10, 3.0),
        ([2.0] * 989 + [600.0] * 11, 900.0),
        ([0.001] * 50, 1.0),
    ],
)
def test_the_time_limit_is_the_tail_of_the_past_and_what_is_far_outside_does_not_count(
    durations_s: list[float], expected: float
) -> None:
    limit = timeouts.learned(ListNormal(durations_s))
    assert limit is not None
    assert limit.value == pytest.approx(expected)
    cut_off = sum(duration_s > expected for duration_s in durations_s)
    assert cut_off <= max(1, 0.01 * len(durations_s))
    assert ("left out" in limit.reasoning) == (cut_off > 0)


def test_the_time_limit_from_bins_is_the_same_within_their_error_and_one_recent_hang_weighs_no_more() -> None:
    usual, hang = Sketch(), Sketch()
    usual.add([2_000_000_000] * 60)
    hang.add([600_000_000_000])
    for weight in (1.0, 0.1):
        limit = timeouts.learned(Table(Measure.DURATION_S, [(weight, usual), (1.0, hang)]))
        assert limit is not None
        assert limit.value == pytest.approx(3.0, rel=0.02)


def test_old_steps_that_weigh_little_are_not_taken_for_a_hang() -> None:
    old = Sketch()
    old.add([2_000_000_000] * 24 + [30_000_000_000 + number * 1_000_000_000 for number in range(6)])
    limit = timeouts.learned(Table(Measure.DURATION_S, [(0.1, old)]))
    assert limit is not None
    assert limit.value is not None
    assert limit.value > 35


def test_with_too_few_successes_no_time_limit_is_learned() -> None:
    assert timeouts.learned(ListNormal([2.0] * 19)) is None
    assert timeouts.learned(None) is None


NO_LINKS = Links({}, {})
SEEN = Links({"search": 5, "read": 5, "report": 5}, {"report": {"search", "read"}})


@pytest.mark.parametrize(
    ("pending", "links", "expected"),
    [
        ({"search": (), "read": (), "report": ("search", "read")}, NO_LINKS, (("search", "read"), ("report",))),
        ({"a": ("gone",), "b": ()}, NO_LINKS, (("a", "b"),)),
        ({"search": None, "read": None, "report": None}, SEEN, (("search", "read"), ("report",))),
        ({"search": None, "read": ("search",)}, SEEN, (("search",), ("read",))),
        ({"a": ("b",), "b": ("a",)}, NO_LINKS, None),
        ({"c": ("a",), "a": ("b", "d"), "b": ("a",), "d": ()}, NO_LINKS, (("d",), ("a",), ("c", "b"))),
        ({"a": ("a",), "b": ()}, NO_LINKS, (("a", "b"),)),
        ({"search": None, "new": None}, SEEN, None),
        ({"only": ()}, NO_LINKS, None),
        ({}, NO_LINKS, None),
    ],
)
def test_pending_steps_run_at_once_where_none_needs_another(
    pending: Mapping[str, Sequence[str] | None], links: Links, expected: tuple[tuple[str, ...], ...] | None
) -> None:
    part = parallel.decide(pending, links, {"search": 2.0, "read": 3.0}.get)
    assert part.value == expected
    assert (part.abstains is None) == (expected is not None)


def test_where_steps_need_one_another_in_a_circle_that_is_said() -> None:
    nothing = parallel.decide({"late": ("a",), "a": ("b",), "b": ("a",)}, NO_LINKS, lambda _: None)
    assert nothing.abstains == "a, b need one another in a circle, so that no step can be first"
    assert nothing.evidence == {"steps": 3, "in_circle": 2}
    rest = parallel.decide({"late": ("b",), "a": ("b",), "b": ("a", "c"), "c": (), "d": ()}, NO_LINKS, lambda _: None)
    assert rest.value == (("c", "d"), ("a",), ("b",), ("late",))
    assert "a, b need one another in a circle, and come one by one." in rest.reasoning
    assert rest.evidence["in_circle"] == 2
    none = parallel.decide({"a": (), "b": ("a",)}, NO_LINKS, lambda _: None)
    assert "circle" not in none.reasoning
    assert "in_circle" not in none.evidence


def test_running_at_once_saves_all_but_the_longest_step() -> None:
    part = parallel.decide({"search": (), "read": ()}, NO_LINKS, {"search": 2.0, "read": 3.0}.get)
    assert part.improvement is not None
    assert part.improvement.time_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("action", "seen", "expected"),
    [
        ("get_prices", Seen(9, 3, False, 0.5, 0.0), CacheUse.REUSE),
        ("get_prices", Seen(9, 2, False, 0.5, 0.0), None),
        ("get_prices", Seen(9, 9, True, 0.5, 0.0), None),
        ("cancel_order", Seen(9, 9, False, 0.5, 0.0), None),
        ("get_prices", None, None),
    ],
)
def test_a_result_is_reused_where_it_was_the_same_in_several_runs(
    action: str, seen: Seen | None, expected: CacheUse | None
) -> None:
    part = caching.reuse(action, seen)
    assert (part.value if part is not None else None) is expected


def prompting(**changed: Any) -> Prompting:
    usual: dict[str, Any] = {
        "requests": 20,
        "comparable": 19,
        "repeated": 19,
        "shared_tokens": 10_000.0,
        "cached_tokens": 0.0,
        "minimum_tokens": 2_048,
        "per_hour": 60.0,
        "fresh_usd": 0.3e-6,
        "cached_usd": 0.03e-6,
        "storage_usd_hour": 1e-6,
    }
    return Prompting(**{**usual, **changed})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (prompting(), CacheUse.CONTEXT),  # 60 x 10,000 x 0.27e-6 = 0.162 spared, 0.01 kept
        (prompting(per_hour=7.0), CacheUse.PREFIX),  # 0.0189 spared is less than twice 0.01
        (prompting(per_hour=7.5), CacheUse.CONTEXT),
        (prompting(storage_usd_hour=None), CacheUse.PREFIX),
        (prompting(cached_tokens=5_000.0), CacheUse.PREFIX),
        (prompting(repeated=3, shared_tokens=10_000.0), CacheUse.NONE),
        (prompting(repeated=0, shared_tokens=0.0, minimum_tokens=None), CacheUse.NONE),
        (prompting(comparable=2), None),
        (None, None),
    ],
)
def test_a_cache_is_advised_only_where_it_pays(facts: Prompting | None, expected: CacheUse | None) -> None:
    part = caching.prompts("plan", facts)
    assert part.value is expected
    assert (part.abstains is None) == (expected is not None)


def test_what_a_context_cache_saves_is_reckoned_with_its_storage() -> None:
    part = caching.prompts("plan", prompting())
    assert part.improvement is not None
    assert part.improvement.cost_usd == pytest.approx((0.162 - 0.01) / 60)
    assert part.evidence["storage_usd_per_hour"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (Load(50.0, 40.0, 50.0, 0.0, 0.1), Pressure.GO_ON),
        (Load(95.0, 60.0, 50.0, 0.0, 0.1), Pressure.HOLD_BACK),
        (Load(95.0, 1.0, 50.0, 0.0, 0.1), Pressure.GO_ON),  # others use it, and this process only waits
        (Load(10.0, 1.0, 90.0, 0.0, 0.1), Pressure.HOLD_BACK),
        (Load(10.0, 1.0, 50.0, 0.5, 0.1), Pressure.HOLD_BACK),
        (Load(10.0, 1.0, 50.0, 0.0, 0.9), Pressure.HOLD_BACK),
        (Load(None, None, 90.0), Pressure.HOLD_BACK),
        (Load(), None),
        (None, None),
    ],
)
def test_the_machine_says_when_to_hold_back(load: Load | None, expected: Pressure | None) -> None:
    assert machine.decide(load).value is expected


def test_the_rest_of_a_run_is_forecast_from_finished_ones() -> None:
    part = remaining.decide(Progress("trip", 2.0, 0.01), ListNormal(range(1, 101)), ListNormal([0.05] * 100))
    assert part.value is not None
    time_s = part.value.time_s
    assert time_s is not None
    assert time_s.upper is not None
    assert 0 <= time_s.lower < 50 < time_s.upper
    assert part.value.cost_usd is not None
    assert part.value.cost_usd.median == pytest.approx(0.04)
    assert part.confidence == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("progress", "runs", "said"),
    [
        (None, 100, "no run is under way"),
        (Progress("trip", 1.0, 0.0), 4, "not enough data: 4 of 30 finished runs"),
        (Progress("trip", 1.0, 0.0), 0, "not enough data: 0 of 30 finished runs"),
    ],
)
def test_a_forecast_abstains_without_a_run_or_enough_finished_ones(
    progress: Progress | None, runs: int, said: str
) -> None:
    past = ListNormal([1.0] * runs) if runs else None
    part = remaining.decide(progress, past, past)
    assert part.value is None
    assert said in str(part.abstains)


def whole_of(**given: Part[Any]) -> Advice:
    nothing: Part[Any] = abstain("nothing")
    names = ("model", "timeout_s", "parallel", "cache", "resources", "forecast")
    return whole.combine(*(given.get(name, nothing) for name in names))


def test_the_whole_is_as_sure_as_its_parts_on_average_and_claims_no_saving_twice() -> None:
    chosen = learned(seen_at_node((PRO, 98, 2, 2.0, 0.01), (FLASH, 60, 0, 1.0, 0.001))).part
    assert chosen is not None
    steps = parallel.decide({"search": (), "read": ()}, NO_LINKS, {"search": 2.0, "read": 3.0}.get)
    advice = whole_of(model=chosen, parallel=steps)
    assert advice.confidence == pytest.approx((chosen.confidence + steps.confidence) / 2, abs=1e-4)
    assert advice.improvement is not None
    assert advice.improvement.time_s == pytest.approx(2.0)
    assert advice.improvement.cost_usd == pytest.approx(0.009)
    assert advice.improvement.basis == "estimated"
    assert advice.reasoning == "Take gemini-2.5-flash, run 2 steps at once."


def test_an_advice_is_plain_json() -> None:
    forecast = remaining.decide(Progress("trip", 2.0, 0.01), ListNormal(range(1, 101)), None)
    advice = whole_of(
        model=models.by_kind("click", Pace(), Models()),
        timeout_s=timeouts.by_pace(Pace()),
        parallel=parallel.decide({"a": (), "b": ("a",)}, NO_LINKS, lambda _: None),
        cache=caching.prompts("plan", prompting()),
        resources=machine.decide(Load(10.0, 1.0, 50.0)),
        forecast=forecast,
    )
    told = advice.as_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["parallel"]["value"] == [["a"], ["b"]]  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript]
    assert not advice.abstains
    assert whole.nothing("off").abstains
