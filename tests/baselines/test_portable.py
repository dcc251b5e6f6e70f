from __future__ import annotations

import gzip
import json
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.baselines import portable
from otel_agentperf.baselines.advised import noted
from otel_agentperf.baselines.normals import Measure
from otel_agentperf.baselines.opening import UnreadableError, normals_of, opened
from otel_agentperf.baselines.store import Store
from otel_agentperf.baselines.tally import Tally
from tests.baselines.made import PLAN, SUBJECTS, TODAY, made_up


@given(st.lists(st.integers(0, 1_000), min_size=2, max_size=4))
def test_merged_in_any_order_it_is_the_same_bytes(seeds: list[int]) -> None:
    files: set[bytes] = set()
    for order in permutations(seeds):
        whole = Tally()
        for seed in order:
            whole.merge_all(made_up(seed))
        files.add(portable.written(whole.all()))
    assert len(files) == 1


@given(st.integers(0, 1_000))
def test_read_back_it_is_the_same(seed: int) -> None:
    data = portable.written(made_up(seed).all())
    assert portable.written(portable.read(data, "it").all()) == data


def test_a_store_and_its_export_answer_alike(tmp_path: Path) -> None:
    tally = made_up(7, 500)
    store, file = tmp_path / "a.db", tmp_path / "a.json.gz"
    Store(store).add(tally.all(), TODAY)
    file.write_bytes(portable.written(opened(str(store)).all()))
    one, other = normals_of(opened(str(store))), normals_of(opened(str(file)))
    for subject in SUBJECTS:
        assert one.outcomes(subject) == other.outcomes(subject)
        for measure in Measure:
            mine, theirs = one.normal(subject, measure), other.normal(subject, measure)
            assert (mine is None) == (theirs is None)
            if mine is not None and theirs is not None:
                assert [mine.quantile(n / 20) for n in range(21)] == [theirs.quantile(n / 20) for n in range(21)]
                assert (mine.mean, mine.weight) == (theirs.mean, theirs.weight)
        assert one.days(subject, Measure.COST_USD) == other.days(subject, Measure.COST_USD)


def test_what_came_of_advice_is_carried_and_merges_in_any_order() -> None:
    parts = [noted(TODAY - day, {"model/learned": {"right": day, "cost_ratios": day / 7}}) for day in (1, 1, 2)]
    files = [portable.written([], each) for each in parts]
    merged: set[bytes] = set()
    for order in permutations(files):
        whole = Tally()
        for each in order:
            whole.merge_all(portable.read(each, "it"))
        merged.add(portable.written(whole.all(), whole.advised))
    (data,) = merged
    assert portable.read(data, "it").advised == parts[0] + parts[1] + parts[2]
    assert "advice" not in json.loads(gzip.decompress(portable.written(made_up(1).all())))


def test_what_it_says_of_itself_is_how_it_is_read() -> None:
    """By the description in the module, and nothing of this package."""
    tally = made_up(3, 200)
    document = json.loads(gzip.decompress(portable.written(tally.all())))
    growth = (1 + document["relative_error"]) / (1 - document["relative_error"])
    subject = next(each for each in document["subjects"] if (each["kind"], each["name"]) == ("node", "plan"))
    values: list[float] = []
    for day in subject["days"]:
        measure, key = day["measures"]["duration_s"], 0
        for step, count in zip(measure["bins"][::2], measure["bins"][1::2], strict=True):
            key += step
            values += [2 * growth**key / (1 + growth) / measure["units"]] * count
    known = normals_of(tally)
    assert max(values) == pytest.approx(known.normal(PLAN, Measure.DURATION_S).quantile(1))  # pyright: ignore[reportOptionalMemberAccess]


DOCUMENT: dict[str, object] = {"format": portable.FORMAT, "version": 1, "relative_error": 0.01, "subjects": []}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cannot be read as a baseline"),
        (b"{}", "is no baseline"),
        (b"\x1f\x8bnot gzip at all", "cannot be read as a baseline"),
        (gzip.compress(b'{"format": "otel-agen', mtime=0)[:-9], "cannot be read as a baseline"),
        (json.dumps({**DOCUMENT, "version": 2}).encode(), "newer otel-agentperf"),
        (json.dumps({**DOCUMENT, "relative_error": 0.02}).encode(), "bins of another width"),
        (json.dumps({**DOCUMENT, "subjects": [{"kind": "x"}]}).encode(), "cannot be read as a baseline"),
    ],
)
def test_what_is_no_baseline_is_refused_by_name(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "given.json.gz"
    path.write_bytes(data)
    with pytest.raises(UnreadableError, match=said) as raised:
        opened(str(path))
    assert "given.json.gz" in str(raised.value)


def test_a_file_that_unpacks_to_far_more_than_a_baseline_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portable, "MOST_UNPACKED_BYTES", 1_000_000)
    bomb = tmp_path / "bomb.json.gz"
    bomb.write_bytes(gzip.compress(b" " * 2_000_000))
    with pytest.raises(UnreadableError, match=r"bomb\.json\.gz is no baseline: it unpacks to more than 0 MB"):
        opened(str(bomb))
