"""The four agents of the demo, cut down to what the benchmark needs: an ordinary program on LangGraph and google-genai.

orchestrator        plans, and decides who goes next
web_agent           does one click
observer            looks at three regions of the page and says what they show
sequence_generator  writes the recording, which is then played back to see whether it is right
"""

# pyright: basic
# langgraph and google-genai are typed too loosely for strict.

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from google import genai
from google.genai import types
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

import otel_agentperf


class Recording(TypedDict):
    """The graph's state."""

    task: str
    turns: int
    next: str
    advice: str
    seen: str
    result: str
    recording: str


class Team:
    """The four agents. Each method is a node of the graph.

    Args:
        client: of google-genai.
        models: which model each step asks.
        regions: what the observer looks at.
        click: does a click, and says what came of it.
        check: plays the recording back.
        max_turns: when to give up.
        allowed: models that may be asked instead, where advice is followed.
    """

    def __init__(
        self,
        client: genai.Client,
        models: Mapping[str, str],
        regions: tuple[str, ...],
        click: Callable[[str], str],
        check: Callable[[str], bool],
        max_turns: int,
        allowed: tuple[str, ...] = (),
    ) -> None:
        self.client = client
        self.models = models
        self.regions = regions
        self.click = click
        self.check = check
        self.max_turns = max_turns
        self.allowed = allowed

    def ask(self, step: str, prompt: str) -> str:
        """Ask the step's model."""
        response = self.client.models.generate_content(
            model=self.models[step],
            contents=prompt,
            config=types.GenerateContentConfig(system_instruction=f"You are the {step}."),
        )
        return response.text or ""

    def orchestrator(self, state: Recording) -> dict[str, Any]:
        """Plan, and decide who goes next."""
        turns = state.get("turns", 0) + 1
        prompt = f"Task: {state['task']}\nTurn {turns}. Last: {state.get('result')}\nSeen: {state.get('seen')}"
        decision = json.loads(self.ask("orchestrator", prompt))
        chosen = decision["next"] if turns <= self.max_turns else "sequence_generator"
        return {"turns": turns, "next": chosen, "advice": decision["advice"]}

    def web_agent(self, state: Recording) -> dict[str, Any]:
        """Do one click."""
        label = self.ask("web_agent", f"Task: {state['task']}\nAdvice: {state['advice']}")
        with otel_agentperf.action("click", arguments={"label": label}) as click:
            result = self.click(label)
            click.result(result)
        return {"result": result}

    def observer(self, state: Recording) -> dict[str, Any]:
        """Look at the page."""
        return {"seen": "\n".join(self.look(region) for region in self.regions)}

    def look(self, region: str) -> str:
        """Look at one region of the page."""
        return self.ask("observer", f"What does the region '{region}' show?")

    def sequence_generator(self, state: Recording) -> dict[str, Any]:
        """Write the recording, and play it back."""
        recording = self.ask("sequence_generator", f"Task: {state['task']}\nWrite the recording.")
        otel_agentperf.outcome(success=self.check(recording))
        return {"recording": recording}


def build(team: Team) -> Any:
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
    return graph.compile(name="recording")
