from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_agentperf.replay import documents, mending
from tests.replay.replaying import put

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text('ab"{}[],:\\\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab}{", max_size=3), inner, max_size=3),
    max_leaves=8,
)
_OBJECTS: st.SearchStrategy[Any] = st.dictionaries(st.text("ab", max_size=3), VALUES, max_size=4)
DOCUMENTS: st.SearchStrategy[Any] = _OBJECTS | st.lists(VALUES, max_size=4)
INDENTS: st.SearchStrategy[int | str | None] = st.sampled_from([None, 0, 1, 4, "\t"])
TEXTS = st.tuples(DOCUMENTS, INDENTS).map(lambda drawn: json.dumps(drawn[0], indent=drawn[1]))
BETWEEN = st.sampled_from(["\n", "\r\n", "\n\n \n", "\n\x1e", "\n\ufeff", " \n"])
OTHER = st.sampled_from(["starting", "Traceback (most recent call last):", '"quoted"', '{"cut":', "[info] x", "}", ""])


@FUZZ
@given(st.lists(TEXTS, max_size=6), BETWEEN)
def test_documents_come_out_as_they_were_put_together_however_they_are_indented(texts: list[str], between: str) -> None:
    data = between.join(texts).encode()
    found = list(documents.in_bytes(data, 0))
    assert [bytes(document).decode() for _, document in found] == texts
    assert all(data[offset:].startswith(bytes(document)) for offset, document in found)


@FUZZ
@given(st.lists(TEXTS | OTHER, max_size=8), st.integers(1, 60))
def test_each_document_is_in_the_one_range_in_which_it_begins(
    tmp_path: Path, texts: list[str], piece_bytes: int
) -> None:
    data = "\n".join(texts).encode()
    path = str(put(tmp_path / "a.json", data))
    whole = [(offset, bytes(document)) for offset, document in documents.in_bytes(data, 0)]
    ranges = [(start, min(len(data), start + piece_bytes)) for start in range(0, len(data), piece_bytes)]
    found = [
        (offset, bytes(document)) for start, end in ranges for offset, document in documents.in_range(path, start, end)
    ]
    assert found == whole


@FUZZ
@given(st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from(["", " ", "\r", "\n  "]))
def test_documents_that_no_line_end_parts_are_found_one_by_one(texts: list[str], between: str) -> None:
    data = between.join(texts).encode()
    found = list(mending.parts_of(data))
    assert [json.loads(part) for _, part in found if part is not None] == [json.loads(text) for text in texts]
    assert all(part is not None and data[offset:].startswith((b"{", b"[")) for offset, part in found)


@pytest.mark.parametrize("between", ["\n", "\nsome output\n", "\n}\n", '\n{"cut off": [\n'])
def test_what_is_between_documents_costs_none_of_them(between: str) -> None:
    texts = [json.dumps({"a": [{"b": number}]}, indent=2) for number in range(4)]
    found: list[Any] = []
    for _, document in documents.in_bytes(between.join(texts).encode(), 0):
        found += [json.loads(part) for _, part in mending.parts_of(bytes(document)) if part is not None]
    assert found == [json.loads(text) for text in texts]


def test_a_number_that_json_has_no_form_for_becomes_null() -> None:
    ((_, part),) = mending.parts_of(b'{"a":[NaN,Infinity,-Infinity,1]}')
    assert json.loads(part or b"") == {"a": [None, None, None, 1]}
