"""One library too old, absent or broken: the other still works, and the log has one line at most."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest
from google import genai

from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.instrumentation.google_genai import GoogleGenAIInstrumentor
from tests.instrumentation.google_genai import ways
from tests.telemetry import observed

PROGRAM = """
import importlib.metadata, sys, warnings
warnings.simplefilter("ignore")
library, found, address = sys.argv[1:]
version = importlib.metadata.version

def pretend(name):
    if name != library:
        return version(name)
    if found == "absent":
        raise importlib.metadata.PackageNotFoundError(name)
    return found

importlib.metadata.version = pretend
if found == "broken":
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == {"google-genai": "google.genai._api_client", "langgraph": "langgraph.types"}[library]:
                raise ImportError(f"{name} is broken", name=name)
    sys.meta_path.insert(0, Broken())
    importlib.metadata.version = version

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

import otel_agentperf
otel_agentperf.instrument()

def in_graph():
    from langgraph.graph import END, START, StateGraph
    graph = StateGraph(dict)
    graph.add_node("ask", lambda state: state)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    graph.compile(name="asking").invoke({})

def of_gemini():
    from google import genai
    from google.genai import types
    client = genai.Client(api_key="loopback", vertexai=False, http_options=types.HttpOptions(base_url=address))
    client.models.generate_content(model="gemini-2.5-flash", contents="hello")

for program in (in_graph, of_gemini):
    try:
        program()
    except ImportError:
        pass
print(",".join(sorted(span.name for span in exporter.get_finished_spans())))
"""
GRAPH, GEMINI = "invoke_node ask,invoke_workflow asking", "generate_content gemini-2.5-flash"
CASES: dict[tuple[str, str], tuple[str, list[str]]] = {
    ("google-genai", "1.31.9"): (GRAPH, ["google-genai 1.31.9 is installed, 1.32 or newer is needed"]),
    ("google-genai", "absent"): (GRAPH, []),
    ("google-genai", "broken"): (GRAPH, ["google-genai is not instrumented"]),
    ("google-genai", "strange"): (f"{GEMINI},{GRAPH}", []),
    ("langgraph", "0.5.4"): (GEMINI, ["langgraph 0.5.4 is installed, 0.6 or newer is needed"]),
    ("langgraph", "absent"): (GEMINI, []),
    ("langgraph", "broken"): (GEMINI, ["langgraph is not instrumented"]),
}


@pytest.mark.parametrize(("library", "found"), CASES, ids=[" ".join(case) for case in CASES])
def test_without_one_library_the_other_still_works(library: str, found: str) -> None:
    names, said = CASES[library, found]
    with GeminiServer() as server:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, library, found, server.base_url],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    assert done.stdout.strip() == names
    ours = [line for line in done.stderr.splitlines() if "otel-agentperf" in line]
    assert len(ours) == len(said), done.stderr
    for line, words in zip(ours, said, strict=True):
        assert words in line


def test_no_sdk_is_harmless_and_logged_once() -> None:
    quiet = PROGRAM.replace("trace.set_tracer_provider(provider)", "")
    with GeminiServer() as server:
        done = subprocess.run(
            [sys.executable, "-c", quiet, "nothing", "absent", server.base_url],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert len(server.requests) == 1
    assert done.stdout.strip() == ""
    (line,) = [line for line in done.stderr.splitlines() if "otel" in line or "Error" in line]
    assert line.startswith("otel-agentperf: nothing is traced")


@pytest.mark.parametrize("missing", ["_request_once", "async_request_streamed"])
def test_a_function_that_a_version_lacks_is_said_once_and_the_rest_goes_on(
    missing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from google.genai._api_client import BaseApiClient

    with GeminiServer() as server, observed() as telemetry:
        GoogleGenAIInstrumentor().uninstrument()
        original = getattr(BaseApiClient, missing)
        monkeypatch.delattr(BaseApiClient, missing)
        GoogleGenAIInstrumentor().instrument(tracer_provider=telemetry.provider)
        setattr(BaseApiClient, missing, original)
        client = ways.client_of(server)
        ways.generate(client)
        assert len(telemetry.spans) == 1
    assert [missing in record.getMessage() for record in caplog.records] == [True]


def test_uninstrument_puts_every_function_back() -> None:
    from google.genai import _extra_utils
    from google.genai._api_client import BaseApiClient

    names = ("request", "request_streamed", "async_request", "async_request_streamed", "_request_once")
    before = [vars(BaseApiClient)[name] for name in names]
    interactions = _interactions()
    functions = _extra_utils.invoke_function_from_dict_args
    with observed():
        assert [vars(BaseApiClient)[name] for name in names] != before
        assert _extra_utils.invoke_function_from_dict_args is not functions
    assert [vars(BaseApiClient)[name] for name in names] == before
    assert _extra_utils.invoke_function_from_dict_args is functions
    assert _interactions() == interactions


def _interactions() -> list[Any]:
    if find_spec("google.genai._gaos") is None:
        return []
    modules = ("basesdk", "interactions", "utils")
    basesdk, interactions, utils = (importlib.import_module(f"google.genai._gaos.{name}") for name in modules)
    return [
        interactions.Interactions.create,
        interactions.AsyncInteractions.create,
        basesdk.BaseSDK.do_request,
        basesdk.AsyncBaseSDK.do_request_async,
        utils.retry,
        utils.retry_async,
    ]


LATE = """
import sys
from google import genai
from google.genai import types
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otel_agentperf.instrumentation.google_genai import GoogleGenAIInstrumentor
import otel_agentperf

what, address = sys.argv[1:]
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

def loaded():
    return sum(name.startswith(("google.genai._gaos", "google.genai._interactions")) for name in sys.modules)

before = loaded()
otel_agentperf.instrument()
client = genai.Client(api_key="loopback", vertexai=False, http_options=types.HttpOptions(base_url=address))
added = loaded() - before
if what == "off":
    GoogleGenAIInstrumentor().uninstrument()
elif what == "again":
    GoogleGenAIInstrumentor().uninstrument()
    GoogleGenAIInstrumentor().instrument()
client.interactions.create(model="gemini-2.5-flash", input="hello")
print(added, ",".join(span.name for span in exporter.get_finished_spans()))
"""


@pytest.mark.skipif(not hasattr(genai.Client, "interactions"), reason=f"google-genai {genai.__version__} has none")
@pytest.mark.parametrize(("what", "names"), [("on", GEMINI), ("off", ""), ("again", GEMINI)])
def test_interactions_are_loaded_when_the_program_asks_for_them_and_seen_from_the_first(what: str, names: str) -> None:
    with GeminiServer() as server:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", LATE, what, server.base_url],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    assert done.stdout.strip() == f"0 {names}".strip()
