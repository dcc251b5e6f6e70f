from __future__ import annotations

import json
from typing import Any

import pytest

from otel_agentperf.fingerprint import canonical_bytes
from otel_agentperf.live.answers import (
    KEPT_ANSWERS,
    KEPT_MESSAGES,
    MAX_PIECES,
    SEARCHED_BYTES,
    Answers,
    Pieces,
    pieces_of,
)

LONG = (
    "The Dachstein massif rises to 2995 metres, as the survey of 2019 says.\n"
    "Its glaciers have lost a third of their area since 1980, by the count of the academy.\n"
    'What is still open: who named it, and what "Dach" meant to them at the time.'
)
CALL = {"query": "height of the Dachstein in metres", "limit": 5}


def wire(text: str) -> list[bytes]:
    """A text as a response carries it, in two chunks of a stream."""
    half = len(text) // 2
    return [json.dumps(part).encode()[1:-1] for part in (text[:half], text[half:])]


def request(*texts: str, **more: Any) -> bytes:
    encoded = canonical_bytes({"contents": [{"role": "user", "parts": [{"text": text} for text in texts]}], **more})
    assert encoded is not None
    return encoded


def answered(text: str, *calls: object) -> Answers:
    answers = Answers()
    answers.keep("a", pieces_of(wire(text) if text else [], [json.dumps(call).encode() for call in calls]))
    return answers


USED = {
    "whole": (LONG, LONG),
    "its beginning": (LONG, f"Notes so far: {LONG[:60]}"),
    "its end": (LONG, LONG[-50:]),
    "its middle": (LONG, LONG[60:180]),
    "with lines joined": (LONG, " ".join(LONG.split("\n"))),
    "quoted in JSON": (LONG, json.dumps({"note": LONG[:90]})),
    "with quotes and backslashes": ('He said "never", then C:\\temp', 'Context: He said "never", then C:\\temp'),
    "not in Latin letters": (
        "山の高さは測量によると二千九百九十五メートル",
        "Σημείωση: 山の高さは測量によると二千九百九十五メートル.",
    ),
    "with signs beyond 16 bits": ("🏔️ 2995 metres above the sea", "so: 🏔️ 2995 metres above the sea"),
    "with spaces around it": ("   The summit is called Hoher Dachstein.  \n", "The summit is called Hoher Dachstein."),
    "a string of JSON": (
        json.dumps({"ok": True, "plan": "ask the survey for its heights"}),
        "ask the survey for its heights",
    ),
    "a string of fenced JSON": (
        '```json\n{"plan": ["ask the survey for its heights"]}\n```',
        "1. ask the survey for its heights",
    ),
}


@pytest.mark.parametrize("case", USED)
def test_a_request_that_quotes_an_answer_uses_it(case: str) -> None:
    text, quoted = USED[case]
    assert answered(text).used_in([request("Go on.", quoted)]) == ("a",)


def test_a_request_that_repeats_a_function_call_uses_its_answer() -> None:
    repeated = request(contents=[{"parts": [{"functionCall": {"name": "search", "args": CALL, "id": "x1"}}]}])
    assert answered("", CALL).used_in([repeated]) == ("a",)
    assert answered("Let me look that up.", CALL).used_in([repeated]) == ("a",)


@pytest.mark.parametrize("text", [LONG, '{"plan": "ask the survey for its heights"}', "The summit is called so."])
def test_a_request_without_any_piece_of_an_answer_does_not_use_it(text: str) -> None:
    assert answered(text).used_in([request("An unrelated question about rivers.")]) == ()


UNTOLD: dict[str, tuple[str, tuple[object, ...]]] = {
    "short": ("Yes, 42.", ()),
    "JSON of short values": ('{"score": 7, "label": "good", "reasons": []}', ()),
    "nothing but short lines": ("\n".join("abcdefgh"), ()),
    "a function without arguments": ("", ({},)),
    "a function that no request repeats": ("", (CALL,)),
    "text beside a function that no request repeats": (LONG, (CALL,)),
}


@pytest.mark.parametrize("case", UNTOLD)
def test_an_answer_that_cannot_be_told_leaves_it_unknown(case: str) -> None:
    text, calls = UNTOLD[case]
    assert answered(text, *calls).used_in([request("An unrelated question about rivers.")]) is None


def test_a_function_call_that_was_repeated_once_no_longer_leaves_later_requests_unknown() -> None:
    answers = answered("", CALL)
    assert answers.used_in([request("An unrelated question about rivers.")]) is None
    assert answers.used_in([request(contents=[{"functionCall": {"args": CALL}}])]) == ("a",)
    assert answers.used_in([request("An unrelated question about rivers.")]) == ()


@pytest.mark.parametrize("texts", [[b'bad \\x escape"'], [b"\xff\xfe in no encoding"], [b'an "unescaped" quote']])
def test_text_that_cannot_be_read_leaves_it_unknown(texts: list[bytes]) -> None:
    pieces = pieces_of(texts, [b"not json"])
    assert (pieces.found_by, pieces.suffice) == ((), False)


def test_an_answer_on_its_way_is_unknown_until_it_is_there() -> None:
    answers = Answers()
    answers.keep("a", Pieces())
    assert answers.used_in([request(LONG)]) is None
    answers.keep("a", pieces_of(wire(LONG), []))
    assert answers.used_in([request(LONG)]) == ("a",)


def test_the_last_answers_of_a_run_are_kept_and_no_more() -> None:
    answers = Answers()
    texts = [f"Answer number {number} of a long run." for number in range(KEPT_ANSWERS + 2)]
    for number, text in enumerate(texts):
        answers.keep(str(number), pieces_of(wire(text), []))
    assert answers.used_in([request(*texts)]) == tuple(str(number) for number in range(2, KEPT_ANSWERS + 2))


def test_what_is_kept_of_one_answer_is_small_whatever_its_size() -> None:
    huge = json.dumps({str(number): f"{number} " + "é" * 10_000 for number in range(6)})
    for text in (huge, "word " * 1_000_000, LONG):
        pieces = pieces_of(wire(text), [json.dumps(CALL).encode()] * 100).found_by
        assert len(pieces) <= MAX_PIECES
        assert sum(map(len, pieces)) <= 640


def test_a_message_is_searched_once_when_it_first_appears() -> None:
    answers = answered("The first answer, of some length.")
    early = request("A question that quotes nothing so far.")
    assert answers.used_in([early]) == ()
    answers.keep("b", pieces_of(wire("A question that quotes nothing so far."), []))
    assert answers.used_in([early]) == ()  # it was there before the answer
    assert answers.used_in([early, request("Again: A question that quotes nothing so far.")]) == ("b",)


def test_what_was_found_in_a_message_counts_in_every_later_request_that_holds_it() -> None:
    answers = answered(LONG)
    quoting = request("Notes:", LONG)
    for extra in ("one", "two", "three"):
        assert answers.used_in([quoting, request(extra)]) == ("a",)
    assert answers.used_in([request("without the notes")]) == ()


def test_of_a_message_too_long_to_be_searched_it_is_known_only_what_was_found() -> None:
    filler = "x" * SEARCHED_BYTES
    assert answered(LONG).used_in([request(filler)]) is None
    assert answered(LONG).used_in([request(filler, LONG)]) == ("a",)
    assert answered(LONG).used_in([request(LONG, filler)]) == ("a",)
    assert answered(LONG).used_in([request(filler, LONG, filler)]) is None


def test_messages_beyond_the_bound_are_searched_in_a_later_request() -> None:
    filler = "x" * (SEARCHED_BYTES // 2)
    messages = [request(LONG), *(request(filler, str(number)) for number in range(2))]
    answers = answered(LONG)
    assert answers.used_in(messages) is None
    assert answers.used_in(messages) == ("a",)


def test_the_messages_remembered_of_a_run_are_bounded() -> None:
    answers = answered(LONG)
    for number in range(KEPT_MESSAGES + 10):
        answers.used_in([request(str(number))])
    assert len(answers._searched) == KEPT_MESSAGES  # pyright: ignore[reportPrivateUsage]
