"""The answers of the demo: what each of the four recording agents hears from its model.

Told apart by the name in the system instruction, each agent goes through its own lines, in order
and again from the start. The story has three faults in it, for the analysis to find: the web agent
clicks one button five times in vain, the observer is slow, and the writing of the recording is
dear. One request is refused with a 429 before it succeeds.

Prompt tokens are counted from the prompt (4 characters each), and the part that a prompt has in
common with the agent's last one is reported as cached, as Gemini's implicit caching does.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field

from otel_agentperf.demo import replies
from otel_agentperf.demo.responders import FixedResponder
from otel_agentperf.demo.wire import Call, GeminiRequest, Json, Reply

LEAST_CACHED_TOKENS = 2048
"""Gemini caches no shorter beginnings."""
CHARACTERS_A_TOKEN = 4

_AGENT = re.compile(r"You are the (\w+)")


@dataclass(frozen=True, slots=True)
class Line:
    """One answer: its parts, what it consumed beside the prompt, and how long it took."""

    parts: tuple[Json, ...]
    candidates: int
    thoughts: int = 0
    latency_s: float = 0.0
    between_s: float = 0.0
    refused: int | None = None
    """A status with which the first attempt is refused."""


def _decision(agent: str, advice: str, *, latency_s: float = 0.35, thoughts: int = 160) -> Line:
    answer = json.dumps({"next": agent, "advice": advice})
    return Line(({"text": answer},), candidates=40, thoughts=thoughts, latency_s=latency_s)


def _action(name: str, refused: int | None = None, **arguments: str) -> Line:
    return Line((replies.function_call(name, arguments),), candidates=18, latency_s=0.35, refused=refused)


def _description(*pieces: str) -> Line:
    parts = tuple({"text": piece} for piece in pieces)
    return Line(parts, candidates=340, thoughts=420, latency_s=3.2, between_s=1.2)


def _recording(text: str) -> Line:
    return Line(({"text": text},), candidates=3_800, thoughts=2_600, latency_s=2.6)


_SHOW = _action("click", label="Show invoices")
_AGAIN = _decision("web_agent", "The list is not there yet. Click 'Show invoices'.")

STORY: dict[str, tuple[Line, ...]] = {
    "orchestrator": (
        _decision("web_agent", "Sign in first, then open the list.", latency_s=1.5, thoughts=900),
        _decision("web_agent", "Signed in. Click 'Show invoices'."),
        *[_AGAIN] * 4,
        _decision("observer", "The page does not react. Look at it."),
        _decision("web_agent", "Choose the period April 2026."),
        _decision("web_agent", "Now click 'Show invoices'."),
        _decision("sequence_generator", "The invoices are listed. Write the recording."),
        _decision("web_agent", "Find the newest invoice.", latency_s=1.5, thoughts=900),
        _decision("observer", "Look for its download link."),
        _decision("web_agent", "Click the PDF link of the newest invoice."),
        _decision("sequence_generator", "The PDF is there. Write the recording."),
    ),
    "web_agent": (
        _action("click", label="Sign in"),
        _SHOW,
        _action("click", label="Show invoices", refused=429),
        *[_SHOW] * 3,
        _action("type", field="Period", text="April 2026"),
        _SHOW,
        _action("scroll", direction="down"),
        _action("click", label="PDF"),
    ),
    "observer": (
        _description("The button 'Show invoices' is grey: ", "it waits for a period. ", "Type one into 'Period'."),
        _description("The newest invoice is in the last row. ", "Its link is called 'PDF'. ", "It is a plain link."),
    ),
    "sequence_generator": (
        _recording("1. Sign in. 2. Type 'April 2026' into 'Period'. 3. Click 'Show invoices'."),
        _recording("1. Scroll to the newest invoice. 2. Click 'PDF'."),
    ),
}


@dataclass(slots=True)
class _Part:
    """Where one agent stands in its lines."""

    turn: int = 0
    refused: bool = False
    last_prompt: str = ""


@dataclass(slots=True)
class RecordingScript:
    """Answers the requests of `recording_agents`; what it does not know, a fixed answer gets."""

    otherwise: FixedResponder = field(default_factory=FixedResponder)
    _parts: dict[str, _Part] = field(init=False, default_factory=lambda: {name: _Part() for name in STORY})
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __call__(self, request: GeminiRequest, /) -> Reply:
        """Answer with the agent's next line."""
        if request.call in {Call.EMBED, Call.EMBED_BATCH}:
            return replies.embeddings(request, latency_s=0.2)
        found = _AGENT.match(request.system_instruction)
        if found is None or found[1] not in STORY or request.call not in {Call.GENERATE, Call.STREAM}:
            return self.otherwise(request)
        with self._lock:
            return self._next_line(found[1], request)

    def _next_line(self, agent: str, request: GeminiRequest) -> Reply:
        part, lines = self._parts[agent], STORY[agent]
        line = lines[part.turn % len(lines)]
        if line.refused is not None and not part.refused:
            part.refused = True
            return replies.error(line.refused, "Quota exceeded. Please retry in a moment.", retry_after_s=1)
        part.turn, part.refused = part.turn + 1, False
        prompt = request.system_instruction + request.text
        cached = _cached_tokens(part.last_prompt, prompt)
        part.last_prompt = prompt
        tokens = replies.Tokens(
            prompt=len(prompt) // CHARACTERS_A_TOKEN, candidates=line.candidates, cached=cached, thoughts=line.thoughts
        )
        return replies.content(request, line.parts, tokens, latency_s=line.latency_s, between_s=line.between_s)


def _cached_tokens(before: str, now: str) -> int:
    common = next((place for place, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), None)
    tokens = (min(len(before), len(now)) if common is None else common) // CHARACTERS_A_TOKEN
    return tokens if tokens >= LEAST_CACHED_TOKENS else 0
