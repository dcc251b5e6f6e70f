from __future__ import annotations

from typing import Any

import pytest

from otel_agentperf.fingerprint import MAX_PREFIX_HASHES, Fingerprinter
from otel_agentperf.instrumentation.google_genai.prints import request_prints

PRINTER = Fingerprinter("test")


def message(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": text}]}


BODIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "contents": (
        {"contents": [message("how high is it, and since when?")]},
        {"contents": [message("wie hoch — ist es, und seit wan")]},
    ),
    "an embedding's": (
        {"requests": [{"content": message("a word like others")}]},
        {"requests": [{"content": message("ein Wört wie andre")}]},
    ),
}


@pytest.mark.parametrize("body", BODIES)
def test_sizes_count_characters_and_not_bytes(body: str) -> None:
    plain, accented = (request_prints(PRINTER, one) for one in BODIES[body])
    assert plain.size
    assert (plain.size, plain.prefix_sizes) == (accented.size, accented.prefix_sizes)


def test_a_chain_has_a_size_for_each_of_its_links_and_no_more() -> None:
    prints = request_prints(PRINTER, {"contents": [message(str(number)) for number in range(100)]})
    assert len(prints.prefix_hashes) == len(prints.prefix_sizes) == MAX_PREFIX_HASHES
    assert prints.size is not None
    assert prints.size > 3 * prints.prefix_sizes[-1]


def test_a_request_without_a_canonical_form_has_no_size_and_no_uses() -> None:
    prints = request_prints(PRINTER, {"contents": [message("x"), {"parts": [{"text": print}]}]})
    assert prints == type(prints)()
