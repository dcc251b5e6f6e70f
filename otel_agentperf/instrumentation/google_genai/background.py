"""Interactions that go on in the background: counted once, when this process sees that one has ended.

The request that begins one is answered at once, and its usage is not known yet. What is counted is
the first look at the finished interaction: `get`, polled or streamed, or `cancel`. That look is a
span with the usage and the cost; the span of the request that began it says so and is not counted.

An interaction is followed once this process has begun it, or has polled it while it went on. So where
another process begins it, each process that sees it go on and then end counts it. One that has
ended at first sight is not counted: nothing tells whether it was counted before. One that is
deleted before its end was seen is unpriced. Up to 4,096 are followed at once; the oldest is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from otel_agentperf import guard
from otel_agentperf.instrumentation.google_genai import opening
from otel_agentperf.instrumentation.google_genai.endpoints import Endpoint, interaction, location_in
from otel_agentperf.pricing import interaction_usage, lenient
from otel_agentperf.pricing.counting import NO_TOOLS

if TYPE_CHECKING:
    from otel_agentperf.instrumentation.google_genai.call import Call
    from otel_agentperf.instrumentation.switch import Switch
    from otel_agentperf.live.pipeline import Pipeline
    from otel_agentperf.pricing.interaction_usage import Interaction

MAX_FOLLOWED = 4_096
GET, CANCEL, DELETE = "getInteractionById", "cancelInteractionById", "deleteInteraction"
LOOKS = frozenset({GET, CANCEL, DELETE})
"""Operations of the SDK that look at an interaction, by its names for them."""
_GOES_ON = frozenset({"", "in_progress", "queued"})
_LATER = "the interaction goes on in the background: the span that sees it completed has its usage and cost"
_DELETED = "the interaction was deleted before its usage was seen"
_ID = re.compile(r"/interactions/([^/?:]+)")


class Place(NamedTuple):
    """Where requests are sent."""

    url: str
    vertex: bool

    @property
    def location(self) -> str:
        """The region of the endpoint, empty where there is none."""
        return location_in(self.url) if self.vertex else ""


class Look(NamedTuple):
    """One request that looks at an interaction, and its answer."""

    operation: str
    """One of `LOOKS`."""
    interaction_id: str
    at: Place
    started_ns: int
    """When it was sent, Unix nanoseconds."""
    content: bytes = b""
    """The interaction's JSON."""
    headers: Mapping[str, str] | None = None
    streamed: bool = False
    """Whether events are read, of which the first tell of the beginning, also of what has ended since."""


class Begun(NamedTuple):
    """With what model an interaction was begun, where, and with which tools."""

    endpoint: Endpoint
    at: Place
    tools: Collection[str] = NO_TOOLS


class Background:
    """The interactions that this process follows."""

    __slots__ = ("_followed",)

    def __init__(self) -> None:
        self._followed: dict[str, Begun] = {}

    def follow(self, active: Pipeline, interaction_id: str, begun: Begun) -> None:
        """Follow an interaction that goes on.

        Args:
            active: the pipeline, which counts what is dropped to stay in bounds.
            interaction_id: its id.
            begun: how it was begun.
        """
        followed = self._followed
        if interaction_id in followed:
            return
        while len(followed) >= MAX_FOLLOWED:
            followed.pop(next(iter(followed)), None)
            active.engine.evictions["background_interactions"] += 1
        followed[interaction_id] = begun

    def follows(self, interaction_id: str) -> bool:
        """Whether an interaction is followed."""
        return interaction_id in self._followed

    def created(self, active: Pipeline, call: Call, begun: Begun, *, in_background: bool) -> None:
        """Look at the answer of a request that creates an interaction, as the request ends.

        Args:
            active: the pipeline.
            call: the request.
            begun: how it begins the interaction.
            in_background: whether it asks for the background.
        """
        answer = call.answer
        status = answer.finish_reasons[0] if answer.finish_reasons else ""
        if answer.response_id is None or status not in _GOES_ON:
            return
        # A stream in the foreground that is left early ends the interaction.
        if in_background or (answer.usage is None and not call.is_streamed):
            self.follow(active, answer.response_id, begun._replace(tools=answer.tools))
            answer.forget_usage()
            call.counted_later(_LATER)

    def looked(self, switch: Switch, active: Pipeline, look: Look) -> None:
        """Take in what one request that looks at an interaction was answered.

        Args:
            switch: the instrumentation's.
            active: the pipeline.
            look: the request and its answer.
        """
        if look.operation == DELETE:
            self._ended(switch, active, look, None)
            return
        found = interaction_usage.decode_interaction(look.content)
        if found.status not in _GOES_ON:
            self._ended(switch, active, look, found)
        elif found.status and not look.streamed:
            asked = found.model or lenient.decode(_asked, _Asked, look.content).agent
            self.follow(active, look.interaction_id, Begun(interaction(asked), look.at))

    def _ended(self, switch: Switch, active: Pipeline, look: Look, found: Interaction | None) -> None:
        """Count an interaction that is followed, whose end is seen now: `found`, or `None` where it was deleted."""
        begun = self._followed.pop(look.interaction_id, None)  # at one stroke: of two polls only one counts it
        if begun is None:
            return
        call = opening.begin(
            switch,
            active,
            begun.endpoint,
            vertex=begun.at.vertex,
            base_url=begun.at.url,
            body={},
            streamed=False,
            location=begun.at.location,
            start_ns=look.started_ns,
        )
        if call is None:
            return
        call.headers = look.headers
        call.answer.tools = begun.tools
        if found is None:
            call.answer.response_id = look.interaction_id
            call.answer.no_usage = _DELETED
        else:
            call.answer.take_interaction(found)
            call.keep(look.content)
        call.finish()


class _Asked(msgspec.Struct):
    agent: str = ""


_asked = msgspec.json.Decoder(_Asked)


def id_in(url: str) -> str:
    """The id of the interaction in an address, empty for none."""
    found = _ID.search(url)
    return found[1] if found is not None else ""


class Replay:
    """One streamed look at an interaction that is followed: `get(stream=True)`.

    Args:
        background: follows it.
        switch: the instrumentation's.
        active: the pipeline.
        look: the request, whose answer is to come.
    """

    __slots__ = ("_active", "_background", "_look", "_switch")

    def __init__(self, background: Background, switch: Switch, active: Pipeline, look: Look) -> None:
        self._background = background
        self._switch = switch
        self._active = active
        self._look = look

    @guard.guarded("google_genai.interaction.event", None)
    def take(self, content: bytes) -> None:
        """Take in the interaction as an event carries it."""
        self._background.looked(self._switch, self._active, self._look._replace(content=content))
