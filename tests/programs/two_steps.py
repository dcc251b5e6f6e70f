"""An ordinary LangGraph program on Gemini that knows nothing of us; tests start it."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# LangGraph and google-genai are typed too loosely for the strict mode.

from __future__ import annotations

import os
from typing import TypedDict

from google import genai
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    question: str
    answer: str


client = genai.Client(api_key="none", http_options={"base_url": os.environ["GOOGLE_GEMINI_BASE_URL"]})


def ask(state: State) -> dict[str, str]:
    response = client.models.generate_content(model="gemini-2.5-flash", contents=state["question"])
    return {"answer": response.text or ""}


def check(state: State) -> dict[str, str]:
    return {"answer": state["answer"].strip()}


graph = StateGraph(State)
graph.add_node("ask", ask)
graph.add_node("check", check)
graph.add_edge(START, "ask")
graph.add_edge("ask", "check")
graph.add_edge("check", END)
result = graph.compile(name="two_steps").invoke(
    {"question": "How are you?", "answer": ""}, {"configurable": {"thread_id": "t-1"}}
)
print("answer:", result["answer"])
