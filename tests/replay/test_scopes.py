"""Where a file puts the name of an instrumentation, and what follows where it puts none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.replay.forms import Request
from tests.replay.replaying import put, replayed, told

TRACE = "5b8efff798038103d269b633813fc60c"


def span(number: int, parent: int, start_s: int, end_s: int, **attributes: str | int) -> Request:
    """A span; its number is its id."""
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": "x",
        "startTimeUnixNano": str(1_790_000_000_000_000_000 + start_s * 10**9),
        "endTimeUnixNano": str(1_790_000_000_000_000_000 + end_s * 10**9),
        "attributes": [
            {"key": key.replace("__", "."), "value": {"stringValue" if isinstance(value, str) else "intValue": value}}
            for key, value in attributes.items()
        ],
    }


def asked(number: int, parent: int, start_s: int, end_s: int, **more: str | int) -> Request:
    """A model request of 700 input and 30 output tokens."""
    tokens = {"gen_ai__usage__input_tokens": 700, "gen_ai__usage__output_tokens": 30}
    model = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "gemini-2.5-flash"}
    return span(number, parent, start_s, end_s, **model, **tokens, **more)


AGENT = span(1, 0, 0, 20, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="a")
LAYERS = {"framework": asked(2, 1, 1, 9), "router": asked(3, 2, 2, 8), "sdk": asked(4, 3, 3, 7)}


def scope_spans(name: str, spans: list[Request]) -> Any:
    return {"scopeSpans": [{"scope": {"name": name}, "spans": spans}]}


def without_scope(name: str, spans: list[Request]) -> Any:
    del name
    return {"scopeSpans": [{"spans": spans}]}


def with_an_empty_scope(name: str, spans: list[Request]) -> Any:
    del name
    nothing: dict[str, str] = {}
    return {"scopeSpans": [{"scope": nothing, "spans": spans}]}


def libraries(name: str, spans: list[Request]) -> Any:
    return {"instrumentationLibrarySpans": [{"instrumentationLibrary": {"name": name}, "spans": spans}]}


def library_in_scope_spans(name: str, spans: list[Request]) -> Any:
    return {"scopeSpans": [{"instrumentationLibrary": {"name": name}, "spans": spans}]}


def both(name: str, spans: list[Request]) -> Any:
    nothing: list[Request] = []
    return {**scope_spans("other", nothing), **libraries(name, spans)}


FORMS = [scope_spans, without_scope, with_an_empty_scope, libraries, library_in_scope_spans, both]


def figures(path: Path, form: Any, layers: dict[str, Request], envelope: str = "resourceSpans") -> Any:
    """The sums of a file with an agent and these layers beneath it."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    batches = [
        {"resource": resource, **form(name, spans)}
        for name, spans in (*((name, [one]) for name, one in layers.items()), ("agents", [AGENT]))
    ]
    return told(replayed(put(path / "a.json", json.dumps({envelope: batches}).encode())))["figures"]


@pytest.mark.parametrize("envelope", ["resourceSpans", "batches"])
@pytest.mark.parametrize("form", FORMS)
def test_a_request_that_three_layers_report_is_counted_once(form: Any, envelope: str, tmp_path: Path) -> None:
    found = figures(tmp_path, form, LAYERS, envelope)
    assert (found["calls"]["model"], found["tokens"]["input"], found["tokens"]["output"]) == (1, 700, 30)


@pytest.mark.parametrize("form", [libraries, library_in_scope_spans, scope_spans])
def test_a_named_instrumentation_tells_a_sibling_from_a_second_request(form: Any, tmp_path: Path) -> None:
    beside = {"framework": asked(2, 1, 1, 9), "sdk": asked(3, 1, 2, 8)}
    assert figures(tmp_path, form, beside)["calls"]["model"] == 1


@pytest.mark.parametrize("form", [without_scope, with_an_empty_scope])
def test_without_a_name_two_siblings_alike_are_two_requests(form: Any, tmp_path: Path) -> None:
    beside = {"framework": asked(2, 1, 1, 9), "sdk": asked(3, 1, 2, 8)}
    assert figures(tmp_path, form, beside)["calls"]["model"] == 2


def test_spans_of_both_names_in_one_batch_are_all_read(tmp_path: Path) -> None:
    batch = {**libraries("old", [asked(2, 1, 1, 3)]), **scope_spans("new", [AGENT, asked(3, 1, 4, 5)])}
    found = told(replayed(put(tmp_path / "a.json", json.dumps({"resourceSpans": [batch]}).encode())))["figures"]
    assert found["calls"]["model"] == 2
