"""A graph of one node that asks Gemini on loopback, at which advice may be applied."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypedDict

from langgraph.graph import START, StateGraph  # pyright: ignore[reportMissingTypeStubs]

from otel_agentperf import config
from otel_agentperf.advice.applying import Advised
from otel_agentperf.demo import replies
from otel_agentperf.demo.replies import Tokens
from otel_agentperf.demo.wire import GeminiRequest, Reply
from otel_agentperf.live.frames import Frame
from tests.telemetry import Telemetry

DEAR, CHEAP = "gemini-2.5-pro", "gemini-2.5-flash"
ALWAYS = {"models": [CHEAP], "share": 0.95, "max_share": 0.95}
"""The largest share that there is: the lot is made to fall on every run where a test needs that."""
TOKENS = Tokens(prompt=1_000, candidates=100)


class State(TypedDict):
    text: str


class Says:
    """An advisor that always says the same."""

    def __init__(self, model: str | None = None, timeout_s: float | None = None, seen: int = 0) -> None:
        self._advised = Advised(model, timeout_s)
        self._seen = seen

    def for_call(self, frame: Frame, asked: str, allowed: tuple[str, ...]) -> Advised:
        return self._advised

    def seen(self, graph: str, node: str, model: str) -> int:
        return self._seen


class ByModel:
    """Answers by the model that is asked: each with a responder of its own, others with a few words."""

    def __init__(self, **responders: Callable[[GeminiRequest], Reply]) -> None:
        self._responders = {name.replace("_", "-").replace("2-5", "2.5"): each for name, each in responders.items()}
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, request: GeminiRequest, /) -> Reply:
        with self._lock:
            self.asked.append(str(request.model))
        return self._responders.get(str(request.model), answer)(request)


def answer(request: GeminiRequest) -> Reply:
    """A good answer."""
    return replies.content(request, replies.text("fine"), TOKENS)


def settings(**apply: Any) -> config.Settings:
    """Settings with one table at the node `think`."""
    return config.Settings(fingerprint_key="test", apply={"think": {**ALWAYS, **apply}})


def thinks(ask: Callable[[], object], *, of: str = "researcher", node: str = "think") -> Any:
    """A graph whose one node asks."""

    def body(state: State) -> State:
        ask()
        return state

    made: Any = StateGraph(State)
    made.add_node(node, body)
    made.add_edge(START, node)
    return made.compile(name=of)


def always(*_: str) -> float:
    """A lot that falls on every run."""
    return 0.0


def advised_by(telemetry: Telemetry, advisor: Any) -> None:
    """Have another advisor asked."""
    applying = telemetry.pipeline.applying
    assert applying is not None
    applying.advisor = advisor
