from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.fingerprint import MAX_PREFIX_HASHES, Fingerprinter

PRINTS = Fingerprinter("key")
HEX16 = re.compile(r"[0-9a-f]{16}")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_a_fingerprint_is_sixteen_hex_digits_and_repeatable(value: object) -> None:
    first = PRINTS.value(value)
    assert first is not None
    assert HEX16.fullmatch(first)
    assert first == PRINTS.value(value)


def test_another_key_gives_other_fingerprints_and_another_key_id() -> None:
    other = Fingerprinter("other key")
    assert PRINTS.value("text") != other.value("text")
    assert PRINTS.key_id != other.key_id


def test_without_a_key_each_process_has_its_own() -> None:
    assert Fingerprinter().value("text") != Fingerprinter().value("text")


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5), st.randoms())
def test_arguments_are_the_same_in_any_order(arguments: dict[str, Any], random: Any) -> None:
    items = list(arguments.items())
    random.shuffle(items)
    assert PRINTS.arguments(arguments) == PRINTS.arguments(dict(items))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"q": "Blue  Shoes"}, {"q": " blue shoes "}),
        ({"q": "x", "empty": ""}, {"q": "x"}),
        ({"q": "x", "none": None, "list": [], "map": {}}, {"q": "x"}),
        ({"n": {"b": 1, "a": 2}}, {"n": {"a": 2, "b": 1}}),
    ],
)
def test_arguments_that_mean_the_same_have_the_same_fingerprint(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert PRINTS.arguments(left).arguments_hash == PRINTS.arguments(right).arguments_hash


@pytest.mark.parametrize(
    ("left", "right"),
    [({"q": "x"}, {"q": "y"}), ({"q": "x"}, {"r": "x"}), ({"q": ["a", "b"]}, {"q": ["b", "a"]}), ({"q": 0}, {"q": 1})],
)
def test_arguments_that_differ_have_different_fingerprints(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert PRINTS.arguments(left).arguments_hash != PRINTS.arguments(right).arguments_hash


@pytest.mark.parametrize("nothing", [None, {}, [], "", {"a": None, "b": ""}])
def test_no_arguments_are_told_as_such(nothing: object) -> None:
    assert PRINTS.arguments(nothing).no_arguments


def context(text: str, prints: Fingerprinter = PRINTS, **others: object) -> str | None:
    return prints.arguments({"text": text, **others}).context_hash


def test_the_context_of_a_sentence_is_the_same_in_other_words() -> None:
    base = context("hotels in Paris near the Louvre, page 1", sort="price")
    assert base is not None
    assert base == context("find the hotels in Paris near the Louvre: page 1", sort="price")


def test_digits_and_other_arguments_are_part_of_the_context() -> None:
    base = context("hotels in paris near louvre page 1", sort="price")
    assert base == context("the hotels in paris near the louvre page 1", sort="price")
    assert base not in (
        context("hotels in paris near louvre page 2", sort="price"),
        context("hotels in paris near louvre page 1", sort="stars"),
        context("hotels in paris near louvre page 1", sort="price", city="x"),
    )


def test_every_argument_in_words_is_taken_for_what_it_asks() -> None:
    one = PRINTS.arguments({"title": "the opening hours of museums", "text": "when do the museums of Bonn open"})
    other = PRINTS.arguments({"title": "opening hours of the museum", "text": "when do museums of Bonn open"})
    assert one.arguments_hash != other.arguments_hash
    assert one.context_hash == other.context_hash


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"q": "when do the museums of Bonn open"}, True),
        ({"path": "/srv/shop/src/cart/total.py", "note": "explain what this file is for"}, True),
        ({"path": "/srv/shop/src/cart/total.py"}, False),
        ({"n": 4, "deep": {"city": "Bonn"}}, False),
        ("when do the museums of Bonn open", True),
        ({}, None),
        ({"callback": len}, None),
    ],
)
def test_whether_an_argument_is_a_sentence_is_known_where_the_arguments_are(
    arguments: object, expected: object
) -> None:
    assert PRINTS.arguments(arguments).argument_is_sentence is expected


def test_arguments_without_words_have_no_context() -> None:
    assert context("/srv/shop/src/cart/total.py") is None


def test_another_key_gives_another_context() -> None:
    text = "when do the museums of Bonn open"
    assert context(text) != context(text, Fingerprinter("other key"))


def test_errors_are_the_same_but_for_quotes_and_digits() -> None:
    first = PRINTS.error("ToolError", "card 4711 of 'Ann' was refused")
    assert first == PRINTS.error("ToolError", "card 4712 of 'Bob' was refused")
    assert first != PRINTS.error("ToolError", "card was stolen")
    assert first != PRINTS.error("OtherError", "card 4711 of 'Ann' was refused")


def test_an_error_that_names_what_was_asked_for_is_another_one_for_something_else() -> None:
    def error(path: str, message: str) -> str:
        return PRINTS.error("OSError", message, PRINTS.arguments({"path": path, "line": 4}).identifiers)

    assert error("a/b.py", "no such file: a/b.py") != error("a/c.py", "no such file: a/c.py")
    assert error("a/b.py", "no such file: 'a/b.py'") != error("a/c.py", "no such file: 'a/c.py'")
    assert error("a/b.py", "No such file: A/B.py") == error("A/B.py", "no such file: a/b.py")
    assert error("a/b.py", "the disk is full") == error("a/c.py", "the disk is full")
    assert error("4711", "card 4711 was refused") == error("4712", "card 4712 was refused")


def test_each_link_of_a_chain_covers_all_before_it() -> None:
    one = PRINTS.chain([b"a", b"b", b"c"])
    two = PRINTS.chain([b"a", b"b", b"x"])
    assert one[:2] == two[:2]
    assert one[2] != two[2]
    assert PRINTS.chain([b"b", b"a"])[1] != one[1]
    assert PRINTS.chain([b"ab"]) != PRINTS.chain([b"a", b"b"])[1:]
    assert len(PRINTS.chain([b"m"] * 50)) == MAX_PREFIX_HASHES


@dataclass
class Message:
    role: str
    text: str


class Plain:
    def __init__(self, value: str) -> None:
        self.value = value


def test_messages_of_any_class_have_a_fingerprint_by_their_fields() -> None:
    assert PRINTS.state({"m": [Message("user", "a")]}) == PRINTS.state({"m": [Message("user", "a")]})
    assert PRINTS.state({"m": [Plain("a")]}) == PRINTS.state({"m": [Plain("a")]})
    assert PRINTS.state({"m": [Plain("a")]}) != PRINTS.state({"m": [Plain("b")]})


def test_what_has_no_stable_form_has_no_fingerprint() -> None:
    assert PRINTS.value(object()) is None
    assert PRINTS.arguments({"callback": lambda: None}).arguments_hash is None
    cycle: list[Any] = []
    cycle.append(cycle)
    assert PRINTS.value({"cycle": cycle}) is None


def test_after_a_large_state_the_next_ones_go_without() -> None:
    prints = Fingerprinter("key")
    costly = {"rows": {str(number): [number] * 20 for number in range(100_000)}}
    assert prints.state(costly) is not None
    assert prints.state({"small": 1}) is None
    assert any(prints.state({"small": 1}) for _ in range(1_000))


def test_a_large_state_is_told_by_its_ends_and_its_length() -> None:
    long = ["message"] * 5_000
    assert PRINTS.state({"m": long}) != PRINTS.state({"m": [*long, "message"]})
    assert PRINTS.state({"m": long}) != PRINTS.state({"m": [*long[:-1], "other"]})
    text = "x" * 900_000
    assert PRINTS.state({"t": text}) != PRINTS.state({"t": text + "y"})


@pytest.mark.parametrize("arguments", ["half a pair: \ud800", {"half \ud800": 1}, ["\ud800" * 3]])
def test_text_that_is_no_unicode_has_a_fingerprint_too(arguments: object) -> None:
    prints = Fingerprinter("key")
    assert prints.arguments(arguments).arguments_hash == prints.arguments(arguments).arguments_hash
    assert len(prints.error("Error", "half a pair: \ud800")) == 16
