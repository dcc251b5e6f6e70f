"""What an answer says of itself, taken in as it comes: whole, or chunk by chunk of a stream.

Usage is cumulative in a stream, so the last one counts. The answer's fingerprint does not
depend on how a stream was cut into chunks; thoughts are no part of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, cast

import msgspec
import xxhash

from otel_agentperf.fingerprint import Fingerprinter
from otel_agentperf.live.answers import Pieces, pieces_of
from otel_agentperf.model import ServiceTier, Usage
from otel_agentperf.pricing import counting, gemini_usage, interaction_usage, lenient
from otel_agentperf.pricing.gemini_usage import Response
from otel_agentperf.pricing.interaction_usage import Interaction, InteractionUsage, Step
from otel_agentperf.pricing.metering import Meter

_GONE = ("failed", "cancelled")
_FUNCTIONS = ["functionDeclarations"]
_SONGS = "lyria"
"""Models that are sold by the song."""
_NO_ANSWERS = (b"", b"{}", b"null")


class _Decision(msgspec.Struct):
    answers: msgspec.Raw = msgspec.Raw(b"")
    prompt_feedback: dict[str, Any] | None = None
    usage: InteractionUsage | None = None


_decision = msgspec.json.Decoder(_Decision)


class Answer:
    """The facts of one answer so far.

    Attributes:
        tier: what served it; `None` while the body does not name it.
        model: the model that answered.
        response_id: the response's id.
        finish_reasons: one a candidate.
        error_type: the error that the body itself reports, if any.
        no_usage: why there is no usage, where there is none.
    """

    __slots__ = (
        "_calls",
        "_hasher",
        "_kinds",
        "_last_kind",
        "_media",
        "_meter",
        "_parts",
        "_spent",
        "_steps",
        "_texts",
        "error_type",
        "finish_reasons",
        "model",
        "no_usage",
        "response_id",
        "tier",
    )

    def __init__(self) -> None:
        self.tier: ServiceTier | None = None
        self.model: str | None = None
        self.response_id: str | None = None
        self.finish_reasons: tuple[str, ...] = ()
        self.error_type: str | None = None
        self.no_usage = "the response reports no usage"
        self._meter = Meter()
        self._spent: InteractionUsage | None = None
        self._steps: set[str] = set()
        self._media: dict[str, int] = {}
        self._kinds: set[str] = set()
        self._hasher = xxhash.xxh3_128()
        self._parts = 0
        self._last_kind = b""
        self._texts: list[bytes] = []
        self._calls: list[bytes] = []

    def declare(self, tools: object) -> None:
        """Note the tools of the request, which decide whose the queries and the retrieved context are.

        Args:
            tools: as the request's JSON has them.
        """
        if tools and _retrieve(tools):
            self._meter.tools = counting.tool_names(tools)

    @property
    def tools(self) -> Collection[str]:
        """The tools of the request by name; empty where it has none, or functions alone."""
        return self._meter.tools

    @tools.setter
    def tools(self, names: Collection[str]) -> None:
        self._meter.tools = names

    @property
    def usage(self) -> Usage | None:
        """The tokens so far, `None` while nothing is known of them."""
        spent = self._spent
        usage = self._meter.usage()
        if spent is not None:
            usage = interaction_usage.to_usage(
                spent,
                tools=self._meter.tools,
                used=interaction_usage.tools_used(self._steps),
                media=self._media or None,
                has_text="text" in self._kinds,
            )
        if self._media and (self.model or "").startswith(_SONGS):
            usage = msgspec.structs.replace(usage or Usage(), images=self._media.get("audio", 0))
        return usage

    # -- generateContent and embeddings ----------------------------------------------------

    def take(self, body: str | bytes) -> None:
        """Take in a response's body, or that of one chunk."""
        response = gemini_usage.decode_response(body)
        metadata = response.usage_metadata
        candidates = response.candidates
        self._meter.add(response)
        if metadata is not None:
            self.tier = self._meter.tier
        if response.error is not None:
            self.error_type = str(response.error.code or response.error.status)
        self.model = response.model_version or self.model
        self.response_id = response.response_id or self.response_id
        if candidates or response.prompt_feedback is not None:
            self.finish_reasons = gemini_usage.finish_reasons(response) or self.finish_reasons
            self._kinds.add(gemini_usage.response_kind((response,)))
            self._add_parts(response)

    def _add_parts(self, response: Response) -> None:
        for candidate in response.candidates:
            for part in candidate.content.parts if candidate.content is not None else ():
                if part.function_call is not None:
                    self._call(part.function_call.name, bytes(part.function_call.args))
                elif part.thought:
                    continue
                elif text := bytes(part.text)[1:-1]:
                    self._texts.append(text)
                    self._part(b"t", text)
                elif data := bytes(part.inline_data) or bytes(part.file_data):
                    self._part(b"d", data)

    # -- Interactions ----------------------------------------------------------------------

    def take_usage(self, usage: InteractionUsage) -> None:
        """Take in the usage of an interaction, so far."""
        self._spent = interaction_usage.merged(self._spent, usage)

    def forget_usage(self) -> None:
        """Leave the usage so far to the answer that has all of it."""
        self._spent = None

    def take_step(self, kind: str) -> None:
        """Take in the type of a step, which names the tool that made it."""
        self._steps.add(kind)

    def take_interaction(self, interaction: Interaction) -> None:
        """Take in an interaction, whole or as an event of its stream carries it."""
        if interaction.usage is not None:
            self.take_usage(interaction.usage)
        if interaction.service_tier:
            self.tier = interaction_usage.interaction_tier(interaction)
        self.model = interaction.model or self.model
        self.response_id = interaction.id or self.response_id
        if interaction.status:
            self.finish_reasons = (interaction.status,)
            self.error_type = interaction.status if interaction.status in _GONE else None
        if interaction.steps:
            self._take_steps(interaction.steps)

    def _take_steps(self, steps: Iterable[Step]) -> None:
        """Take in all steps at once; their content counts where no event brought it before."""
        had_content = self.has_content
        self._media = {}
        for step in steps:
            self.take_step(step.type)
            if step.type == "function_call" and not had_content:
                self.take_call(step.name, bytes(step.arguments))
            for piece in step.content if step.type == "model_output" else ():
                if piece.type == "text" and not had_content:
                    self.take_text(bytes(piece.text)[1:-1])
                elif piece.type and piece.type != "text":
                    self._media[piece.type] = self._media.get(piece.type, 0) + 1
                    if not had_content:
                        self.take_media(piece.type.encode())

    def take_decision(self, content: bytes) -> None:
        """Take in the answers to questions that were put to a model for a decision."""
        decided = lenient.decode(_decision, _Decision, content)
        if decided.usage is not None:
            self.take_usage(decided.usage)
        if bytes(decided.answers) not in _NO_ANSWERS:
            self.take_text(bytes(decided.answers))
        else:
            self._kinds.add("blocked" if decided.prompt_feedback is not None else "empty")

    def take_text(self, text: bytes) -> None:
        """Take in text of the model."""
        if text:
            self._kinds.add("text")
            self._texts.append(text)
            self._part(b"t", text)

    def take_call(self, name: str, arguments: bytes) -> None:
        """Take in a function call of the model; the arguments are empty where they are not known."""
        self._kinds.add("function_call")
        self._call(name, arguments)

    def take_media(self, content: bytes) -> None:
        """Take in a picture, sound or film of the model."""
        self._kinds.add("media")
        self._part(b"d", content)

    # -- what it comes to ------------------------------------------------------------------

    def _call(self, name: str, arguments: bytes) -> None:
        self._calls.append(arguments)
        self._part(b"c", name.encode() + b"\x1f" + arguments)

    def _part(self, kind: bytes, content: bytes) -> None:
        if kind != b"t" or kind != self._last_kind:
            self._hasher.update(b"\x1e" + kind)
        self._last_kind = kind
        self._hasher.update(content)
        self._parts += 1

    @property
    def has_content(self) -> bool:
        """Whether any content has come."""
        return self._parts > 0

    @property
    def kind(self) -> str | None:
        """`text`, `function_call`, `mixed`, `media`, `blocked` or `empty`; `None` before any content."""
        kinds = self._kinds
        if len(kinds) == 1:
            return next(iter(kinds))
        kinds = kinds - {"empty"}
        if not kinds:
            return None
        if len(kinds) == 1:
            return next(iter(kinds))
        if "media" in kinds:
            return "media"
        if kinds & {"function_call", "mixed"}:
            return "mixed" if kinds & {"text", "mixed"} else "function_call"
        return "text" if "text" in kinds else "blocked"

    @property
    def function_calls(self) -> int | None:
        """How many functions it asks for; `None` before any content."""
        return len(self._calls) if self._kinds else None

    def pieces(self) -> Pieces:
        """What it can be recognised by in a later request."""
        return Pieces() if "media" in self._kinds else pieces_of(self._texts, self._calls)

    def print(self, fingerprinter: Fingerprinter) -> str | None:
        """The fingerprint, or `None` of an answer without content."""
        return fingerprinter.digest(self._hasher.digest()) if self._parts else None


def _retrieve(tools: object) -> bool:
    """Whether some tool of a request is none of the program's functions."""
    if not isinstance(tools, list):
        return True
    return any(tool.__class__ is not dict or list(tool) != _FUNCTIONS for tool in cast("list[Any]", tools))


def dumped(model: Any) -> bytes:
    """The JSON of one of the SDK's own objects (pydantic), or of one that it could not read."""
    if isinstance(model, dict):
        return msgspec.json.encode(model, enc_hook=str)
    return model.model_dump_json(exclude_none=True, warnings=False).encode()
