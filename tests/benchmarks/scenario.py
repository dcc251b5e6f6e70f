"""The program that every benchmark runs: a LangGraph graph of five nodes, each with one Gemini call.

`python tests/benchmarks/scenario.py VARIANT --url URL`: the instrumentation is one of `variants.py`,
the server runs in another process so that its work is not counted. One line of JSON tells what
was seen. Needs only the libraries that the variant itself needs.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.metadata
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import variants

MODEL = "gemini-2.5-flash"
NODES = ("plan", "search", "read", "compare", "write")
INSTRUCTION = (
    "You are one of five agents that answer a question together. Read what the others have noted, add what "
    "you know about it in at most three sentences, name the source of each figure, and say which part of the "
    "question is still open. Do not repeat what already stands there."
)
PACKAGES = ("google-genai", "langgraph", "langchain-core", "pydantic", "httpx", "opentelemetry-sdk", "otel-agentperf")


class State(TypedDict):
    """What the nodes hand on."""

    question: str
    note: str


def make_run(url: str, spans: variants.HandSpans | None) -> Callable[[int], object]:
    """Build client and graph; the function returned makes one run."""
    graphs, client = importlib.import_module("langgraph.graph"), make_client(url)
    types = importlib.import_module("google.genai.types")
    config = types.GenerateContentConfig(system_instruction=INSTRUCTION, temperature=0.2)

    def ask(name: str, state: State) -> State:
        prompt = f"You are {name}. The question: {state['question']}\nThe last note: {state['note']}"
        answer = client.models.generate_content(model=MODEL, contents=prompt, config=config)
        return {"question": state["question"], "note": answer.text or ""}

    def plain(place: int, name: str) -> Callable[[State], State]:
        del place
        return lambda state: ask(name, state)

    def by_hand(place: int, name: str) -> Callable[[State], State]:
        assert spans is not None
        return spans.node(place, lambda state: ask(name, state))

    graph = graphs.StateGraph(State)
    make = plain if spans is None else by_hand
    before = graphs.START
    for place, name in enumerate(NODES):
        graph.add_node(name, make(place, name))
        graph.add_edge(before, name)
        before = name
    graph.add_edge(before, graphs.END)
    app = graph.compile(name="research")

    def run(number: int) -> object:
        return app.invoke({"question": f"How high is mountain number {number}?", "note": "nothing yet"})

    return run if spans is None else spans.root(run)


def make_client(url: str) -> Any:
    """A client of google-genai that calls the loopback server."""
    genai, types = importlib.import_module("google.genai"), importlib.import_module("google.genai.types")
    return genai.Client(api_key="benchmark", http_options=types.HttpOptions(base_url=url))


def main() -> None:
    """Set up, warm up, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=sorted(variants.VARIANTS))
    parser.add_argument("--url", required=True)
    parser.add_argument("--warmup", type=int, default=20, help="runs before measuring")
    parser.add_argument("--runs", type=int, default=20, help="runs in one section")
    parser.add_argument("--sections", type=int, default=3)
    parser.add_argument("--callgrind", action="store_true", help="count instructions; run under callgrind")
    parser.add_argument("--functions", help="count inside each of these alone: module:qualified.name,...")
    parser.add_argument("--write-spans", metavar="FILE", help="write the spans of one run")
    parser.add_argument("--template", metavar="FILE", help="spans of one run of `ours`, for `spans` to copy")
    parser.add_argument("--otlp", metavar="URL", help="send the spans to a Collector")
    parser.add_argument("--startup", action="store_true", help="measure the start alone")
    given = parser.parse_args()
    if given.otlp:
        os.environ[variants.OTLP] = given.otlp

    began, began_cpu = time.perf_counter(), time.process_time()
    setup = variants.VARIANTS[given.variant](given.template)
    run = make_run(given.url, setup.hand_spans)
    if given.startup:
        told = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - began_cpu}
        print(json.dumps({**told, "ready_bytes": resident_bytes(), "after_bytes": first_runs(run, setup)}))
        return
    for number in range(given.warmup):
        run(number)
    setup.flush()
    spans_before = setup.spans_seen()
    sections = (counted if given.callgrind else timed)(given, setup, run)
    seen = setup.spans_seen() - spans_before
    made = given.runs * (len(given.functions.split(",")) if given.functions else given.sections + given.callgrind)
    setup.collect_metrics()
    if seen != variants.SPANS.get(given.variant, 0) * made:
        raise SystemExit(f"{given.variant} made {seen} spans in {made} runs, not as many as it should")
    if given.write_spans:
        setup.write_spans(given.write_spans, round(seen / made))
    versions = {name: version for name in PACKAGES if (version := _version(name))}
    told = {"variant": given.variant, "spans": seen / made, "versions": versions, **sections}
    print(json.dumps(told))


def first_runs(run: Callable[[int], object], setup: variants.Setup) -> int:
    """Resident bytes after the first runs."""
    for number in range(20):
        run(number)
    setup.flush()
    gc.collect()
    return resident_bytes()


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def timed(given: argparse.Namespace, setup: variants.Setup, run: Callable[[int], object]) -> dict[str, Any]:
    """CPU seconds of the process, all threads, and seconds by the clock, per run, of each section."""
    seconds: list[float] = []
    wall: list[float] = []
    for section in range(given.sections):
        gc.collect()
        gc.freeze()
        began, before = time.perf_counter(), time.process_time_ns()
        for number in range(given.runs):
            run(1_000 * (section + 1) + number)
        setup.flush()
        seconds.append((time.process_time_ns() - before) / 1e9 / given.runs)
        wall.append((time.perf_counter() - began) / given.runs)
    return {"cpu_s": seconds, "wall_s": wall}


def counted(given: argparse.Namespace, setup: variants.Setup, run: Callable[[int], object]) -> dict[str, Any]:
    """Have callgrind write one dump for each section, the first of which is not used."""
    import callgrind
    import functions

    requests = callgrind.Requests()

    def section(number: int) -> None:
        gc.collect()
        gc.freeze()
        requests.request(callgrind.ZERO)
        for place in range(given.runs):
            run(1_000 * number + place)
        setup.flush()
        requests.request(callgrind.DUMP)

    requests.request(callgrind.START)
    calls: list[float] = []
    if given.functions:
        collecting = functions.Collecting(requests)
        requests.request(callgrind.ZERO)
        calls.append(collecting.nothing(1_000))
        requests.request(callgrind.DUMP)
        for number, target in enumerate(given.functions.split(",")):
            with collecting.inside(target):
                section(number + 1)
            calls.append(collecting.calls / given.runs if collecting.calls >= 0 else -1)
    else:
        for number in range(given.sections + 1):
            section(number + 1)
    requests.request(callgrind.STOP)
    return {"calls": calls}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
