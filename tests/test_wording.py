# ruff: noqa: RUF001 - question marks of several languages
"""What a text asks for, apart from how it is worded."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentperf.wording import MAX_CHARACTERS, Wording, wording

SENTENCES = [
    "when do the museums of Bonn open",
    "population of the town of Ghent in Belgium",
    "town of Ghent Belgium population",
    "Welche Filme hat Wim Wenders in Berlin gedreht",
    "Wie ist das Wetter morgen in Wien?",
    "Quelle est la population de la ville de Lyon ?",
    "¿Cuál es la capital de la provincia de Huelva?",
    "Qual è la capitale della Toscana e quanti abitanti ha?",
    "Qual é a capital do estado da Bahia e quantos habitantes tem?",
    "Wat is de hoofdstad van het eiland Java?",
    "Какое население города Тверь в этом году?",
    "东京明天的天气怎么样？",
    "大阪の人口は何人ですか",
    "summarize the page https://example.org/a?b=1 for my mother",
    "The phone is sold for $300 in 2024, is that a good price?",
]
NO_SENTENCES = [
    "",
    "Bonn",
    "New York City",
    "The Lord of the Rings",
    "Museum of Modern Art",
    "ann.smith@example.org",
    "/srv/shop/src/cart/total.py",
    "C:\\shop\\src\\cart\\total.py",
    "https://example.org/guide/first/page.html",
    "https://example.org/search?q=the+hours+of+a+museum",
    "48.8566, 2.3522",
    "2024-05-20T10:00:00Z",
    "3 May 2024 10:30",
    "reservation_4711",
    "550e8400-e29b-41d4-a716-446655440000",
    "pytest -q tests/cart tests/forms",
    "pytest tests/a tests/b tests/c tests/d",
    "python -m http.server 8000",
    "git commit -m 'repair the cart of the shop'",
    "pip install requests numpy pandas scipy",
    "SELECT name, city FROM users WHERE age > 30 AND city = 'Bonn'",
    "SELECT name FROM users ORDER BY city",
    "select the_name from the_users where the_city = 4",
    "(404 + 202) * 3 - (126 + 139) * 3",
    "def total(cart): return sum(item.price for item in cart)",
    '{"city": "Bonn", "text": "the weather in the town"}',
    "東京都千代田区丸の内1-9-1",
    "the words of a document and so on " * 100,
]


@pytest.mark.parametrize("text", SENTENCES)
def test_a_sentence_is_a_sentence(text: str) -> None:
    found = wording(text)
    assert found is not None
    assert found.is_sentence


@pytest.mark.parametrize("text", NO_SENTENCES)
def test_a_name_a_path_a_command_and_code_are_no_sentences(text: str) -> None:
    found = wording(text)
    assert found is None or not found.is_sentence


def meaning(text: str) -> str:
    found = wording(text)
    assert found is not None, text
    return found.content


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("population of the town of Ghent in Belgium", "town of Ghent Belgium population"),
        ("population of the town of Ghent in Belgium", "What is the population of the town of Ghent in Belgium?"),
        ("opening hours of the Louvre", "Please tell me the opening hours of the Louvre!"),
        ("find cheap flights from Rome to Oslo", "cheap flight Rome to Oslo"),
        ("find cheap flights from rome to oslo", "cheap flights to oslo from rome"),
        ("Wie ist das Wetter in Wien?", "wie ist in Wien das Wetter"),
        ("Quelle est la population de Lyon", "la population de la ville de Lyon".replace("ville de ", "")),
        ("what's the price of the train to Bonn", "the price of a train to Bonn"),
        ("the capital of l'Italie", "capital of Italie"),
        ("Flights from Bonn", "show flights from Bonn"),
        ("sales report of 2024 for Bonn", "Bonn sales report 2024"),
    ],
)
def test_small_words_the_order_of_words_and_plurals_change_nothing(one: str, other: str) -> None:
    assert meaning(one) == meaning(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("how is the weather in Bonn today", "how is the weather in Oslo today"),
        ("how is the weather in bonn today", "how is the weather in oslo today"),
        ("how is the weather today", "how was the weather today"),
        ("cheap flights from Rome to Oslo", "cheap flights from Oslo to Rome"),
        ("cheap flights from rome to oslo", "cheap flights from oslo to rome"),
        ("cheap flights from Rome to Oslo", "cheap flights to Rome from Oslo"),
        ("vuelos baratos de roma a oslo", "vuelos baratos de oslo a roma"),
        ("vols pas chers de Rome à Oslo", "vols pas chers de Oslo à Rome"),
        ("Flug von Rom nach Bonn", "Flug von Bonn nach Rom"),
        ("a hotel with a pool and without parking", "a hotel with parking and without a pool"),
        ("send the address of Ann to Ben", "send the address of Ben to Ann"),
        ("does Ann own more than Ben does", "does Ben own more than Ann does"),
        ("the sales report of 2024", "the sales report of 2025"),
        ("the number of Ann Peters please", "the number of Ann Peter please"),
        ("the price of a $300 phone", "the price of a $400 phone"),
        ("summarize the page https://example.org/a for me", "summarize the page https://example.org/b for me"),
        ("explain the file src/a.py to me", "explain the file src/b.py to me"),
        ("the state of order A17 is what", "the state of order A18 is what"),
        ("the owner of getUser please", "the owner of setUser please"),
        ("turn the lights of the hall on", "turn the lights of the hall off"),
        ("who wrote the book about Bonn", "when was the book about Bonn written"),
        ("东京明天的天气怎么样？", "大阪明天的天气怎么样？"),
        ("a hotel near the Louvre", "a cheap hotel near the Louvre"),
    ],
)
def test_any_other_word_a_number_or_an_address_is_another_question(one: str, other: str) -> None:
    assert meaning(one) != meaning(other)


WORDS = st.text(alphabet="bcdfghklmnprtvwz", min_size=3, max_size=8)
IDENTIFIERS = st.one_of(
    st.integers(0, 10**9).map(str),
    st.builds("/srv/{}/{}.py".format, WORDS, WORDS),
    st.builds("https://{}.org/{}".format, WORDS, WORDS),
    st.builds("{}_{}".format, WORDS, WORDS),
    st.builds("{}@{}.org".format, WORDS, WORDS),
    st.dates().map(str),
    WORDS,
    WORDS.map(str.capitalize),
)
"""Names in small letters among them."""


@given(st.lists(WORDS, min_size=4, max_size=20), IDENTIFIERS, IDENTIFIERS, st.integers(0, 20))
def test_a_sentence_about_something_else_is_another_question(
    words: list[str], one: str, other: str, place: int
) -> None:
    def about(what: str) -> Wording | None:
        return wording(" ".join(["the", *words[:place], what, *words[place:]]))

    first, second = about(one), about(other)
    assert first is not None
    assert second is not None
    if one.casefold() != other.casefold() and not {one, other} & set(words):
        assert first.content != second.content


@given(st.lists(WORDS, min_size=4, max_size=20, unique=True), st.randoms())
def test_words_in_any_order_with_any_small_words_ask_the_same(words: list[str], random: Random) -> None:
    shuffled = list(words)
    random.shuffle(shuffled)
    assert meaning(" of the ".join(words)) == meaning("please tell me what is a " + " in ".join(shuffled))


@given(st.text(max_size=200))
def test_any_text_has_a_wording_or_none(text: str) -> None:
    found = wording(text)
    assert found == wording(text)
    assert found is None or found.content


def test_a_document_has_no_wording() -> None:
    text = "the words of a letter to a friend "
    assert wording(text * (MAX_CHARACTERS // len(text))) is not None
    assert wording(text * (MAX_CHARACTERS // len(text) + 1)) is None
