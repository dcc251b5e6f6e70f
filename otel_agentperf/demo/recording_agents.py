"""Four agents record how a task is done on the web: an ordinary LangGraph program on Gemini.

    orchestrator        plans, and decides who goes next
    web_agent           does one step in a remote browser: click, type or scroll
    observer            looks at the page and says what it shows
    sequence_generator  writes the finished recording

Run it with langgraph and google-genai installed:  GOOGLE_API_KEY=... python recording_agents.py
The browser is played by this file; the models are whatever GOOGLE_GEMINI_BASE_URL points at,
else Google's.
"""

# pyright: basic
# langgraph and google-genai are typed too loosely for strict.

from __future__ import annotations

import argparse
import operator
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from google import genai
from google.genai import types
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel
from typing_extensions import TypedDict

PRO = "gemini-2.5-pro"
FLASH = "gemini-2.5-flash"
FLASH_LITE = "gemini-2.5-flash-lite"
EMBEDDING = "gemini-embedding-2"

MAX_TURNS = 20
"""After so many turns in one run, the recording is written from what there is."""

TASKS = (
    "Record how to list the invoices of April 2026 in the billing portal.",
    "Record how to download the newest of these invoices as a PDF.",
)


class RemoteBrowser:
    """Stands in for a browser that is rented by the minute: a billing portal with a few pages."""

    def __init__(self, latency_s: float = 0.15) -> None:
        self._latency_s = latency_s
        self._page = "sign-in"
        self._period = ""

    def click(self, label: str) -> str:
        """Click what carries the label and say what came of it."""
        time.sleep(self._latency_s)
        if label == "Show invoices" and not self._period:
            return "Clicked 'Show invoices'. The page did not change."
        self._page = {"Sign in": "overview", "Show invoices": "list", "PDF": "pdf"}.get(label, self._page)
        return f"Clicked '{label}'. The page is now '{self._page}'."

    def type(self, field: str, text: str) -> str:
        """Type into a field."""
        time.sleep(self._latency_s)
        if field == "Period":
            self._period = text
        return f"Typed '{text}' into '{field}'."

    def scroll(self, direction: str) -> str:
        """Scroll up or down."""
        time.sleep(self._latency_s)
        return f"Scrolled {direction}."

    def snapshot(self) -> str:
        """The page's source, as long-winded as pages are."""
        period = f'<input aria-label="Period" value="{self._period}">'
        disabled = "" if self._period else " disabled"
        button = f'<button class="btn btn-primary"{disabled}>Show invoices</button>'
        rows = "\n".join(
            f'<tr class="table-row table-row--striped" data-testid="row-{number}"><td class="cell">2026-04-{number % 30 + 1:02}'
            f'</td><td class="cell cell--amount">{number * 7 % 900}.00 USD</td><td><a href="/invoices/{number}.pdf">PDF</a></td></tr>'
            for number in range(110)
        )
        return f'<html><body data-page="{self._page}">{period}{button}\n<table>{rows}</table></body></html>'


def browser_tools(browser: RemoteBrowser) -> list[BaseTool]:
    """What the web agent can do."""

    @tool
    def click(label: str) -> str:
        """Click the button or link with this label."""
        return browser.click(label)

    @tool("type")
    def type_text(field: str, text: str) -> str:
        """Type the text into the field with this label."""
        return browser.type(field, text)

    @tool
    def scroll(direction: str) -> str:
        """Scroll the page: up or down."""
        return browser.scroll(direction)

    return [click, type_text, scroll]


class Recording(TypedDict):
    """The graph's state; steps and pages pile up over the runs of one session."""

    task: str
    turns: int
    next: str
    advice: str
    observation: str
    steps: Annotated[list[str], operator.add]
    pages: Annotated[list[str], operator.add]
    recording: str


class Decision(BaseModel):
    """What the orchestrator answers."""

    next: Literal["web_agent", "observer", "sequence_generator"]
    advice: str


class RecordingTeam:
    """The four agents. Each method is a node of the graph."""

    def __init__(self, client: genai.Client, browser: RemoteBrowser, tell: Callable[[str], None] = print) -> None:
        self._client = client
        self._browser = browser
        self._tell = tell
        self._tools = {one.name: one for one in browser_tools(browser)}

    def orchestrator(self, state: Recording) -> dict[str, Any]:
        """Plan, and decide who goes next."""
        turns = state["turns"] + 1
        steps = "\n".join(state["steps"])
        prompt = f"Task: {state['task']}\nSteps so far:\n{steps}\nThe observer says: {state.get('observation', '-')}"
        response = self._client.models.generate_content(
            model=PRO,
            contents=prompt,
            config=types.GenerateContentConfig(
                system_instruction="You are the orchestrator. Plan the task and say who goes next, with one advice.",
                response_mime_type="application/json",
                response_schema=Decision,
            ),
        )
        decision = Decision.model_validate_json(response.text or "")
        chosen = decision.next if turns <= MAX_TURNS else "sequence_generator"
        self._tell(f"orchestrator        -> {chosen}: {decision.advice}")
        return {"turns": turns, "next": chosen, "advice": decision.advice}

    def web_agent(self, state: Recording) -> dict[str, Any]:
        """Have the model choose one action, and do it in the browser."""
        steps = "\n".join(state["steps"][-5:])
        prompt = (
            f"Page:\n{self._browser.snapshot()}\nTask: {state['task']}\nAdvice: {state['advice']}\nLast steps:\n{steps}"
        )
        response = self._client.models.generate_content(
            model=FLASH_LITE,
            contents=prompt,
            config=types.GenerateContentConfig(
                system_instruction="You are the web_agent. Do exactly one step in the browser.",
                tools=[types.Tool(function_declarations=[_declaration(one) for one in self._tools.values()])],
                automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            ),
        )
        calls = response.function_calls
        if not calls:
            return {"steps": ["The web agent did nothing."]}
        name, arguments = calls[0].name or "", calls[0].args or {}
        result = self._tools[name].invoke(arguments)
        self._tell(f"web_agent           {name}({', '.join(map(repr, arguments.values()))}) -> {result}")
        return {"steps": [result], "pages": [self._browser.snapshot()]}

    def observer(self, state: Recording) -> dict[str, Any]:
        """Look at the page and describe it."""
        chunks = self._client.models.generate_content_stream(
            model=FLASH,
            contents=f"Page:\n{self._browser.snapshot()}\nTask: {state['task']}\nWhat does the page show, and what does it wait for?",
            config=types.GenerateContentConfig(system_instruction="You are the observer. Describe the page in full."),
        )
        observation = "".join(chunk.text or "" for chunk in chunks)
        self._tell(f"observer            {observation[:90]}")
        return {"observation": observation}

    def sequence_generator(self, state: Recording) -> dict[str, Any]:
        """Write the recording from every page and step of the session."""
        steps, pages = state["steps"], state["pages"]
        self._client.models.embed_content(model=EMBEDDING, contents=["\n".join(steps)])
        response = self._client.models.generate_content(
            model=PRO,
            contents="\n".join([*pages, "Steps:", *steps, f"Task: {state['task']}"]),
            config=types.GenerateContentConfig(
                system_instruction="You are the sequence_generator. Write a replayable recording of the task."
            ),
        )
        self._tell(f"sequence_generator  {len(steps)} steps, {len(pages)} pages")
        return {"recording": response.text or ""}


def _declaration(one: BaseTool) -> types.FunctionDeclaration:
    return types.FunctionDeclaration(
        name=one.name,
        description=one.description,
        parameters_json_schema=one.tool_call_schema.model_json_schema(),  # pyright: ignore[reportAttributeAccessIssue]
    )


def build(team: RecordingTeam) -> Any:
    """The compiled graph: the orchestrator sends work out, and gets it back until it is done."""
    graph = StateGraph(Recording)
    graph.add_node("orchestrator", team.orchestrator)
    graph.add_node("web_agent", team.web_agent)
    graph.add_node("observer", team.observer)
    graph.add_node("sequence_generator", team.sequence_generator)
    graph.add_edge(START, "orchestrator")
    graph.add_conditional_edges(
        "orchestrator", lambda state: state["next"], ["web_agent", "observer", "sequence_generator"]
    )
    graph.add_edge("web_agent", "orchestrator")
    graph.add_edge("observer", "orchestrator")
    graph.add_edge("sequence_generator", END)
    return graph.compile(checkpointer=InMemorySaver(), name="recording")


def connect(retry_delay_s: float = 0.5) -> genai.Client:
    """A client that tries again when Gemini is busy."""
    retry = types.HttpRetryOptions(attempts=4, initial_delay=retry_delay_s, jitter=retry_delay_s / 10)
    return genai.Client(http_options=types.HttpOptions(retry_options=retry))


def record(client: genai.Client, browser: RemoteBrowser, tell: Callable[[str], None] = print) -> list[str]:
    """Record every task in one session, and return the recordings."""
    graph = build(RecordingTeam(client, browser, tell))
    session: RunnableConfig = {"configurable": {"thread_id": "recording-session"}, "recursion_limit": 100}
    recordings: list[str] = []
    for task in TASKS:
        tell(f"\n{task}")
        state = graph.invoke({"task": task, "turns": 0}, session)
        recordings.append(state["recording"])
    return recordings


def main(arguments: Sequence[str] | None = None) -> None:
    """Record the tasks and print what happens."""
    parser = argparse.ArgumentParser(description="Four agents record web tasks.")
    parser.add_argument("--browser-latency", type=float, default=0.15, metavar="SECONDS")
    parser.add_argument("--retry-delay", type=float, default=0.5, metavar="SECONDS")
    given = parser.parse_args(arguments)
    browser = RemoteBrowser(given.browser_latency)
    try:
        record(connect(given.retry_delay), browser, lambda line: print(line, flush=True))  # noqa: T201 - a program that tells what it does
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
