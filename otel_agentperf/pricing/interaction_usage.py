"""What an Interaction says of its own usage, parsed once: created whole, or as stream events.

The Interactions API has its own spelling: `total_input_tokens`, breakdowns by lower-case
modality, the tier at the top. In a stream the completed event has the final usage; events
before it may carry a cumulative one under `metadata`, which counts when the stream is left early.
"""

from __future__ import annotations

import msgspec

from otel_agentperf.model import ModalityTokens, ServiceTier, Usage
from otel_agentperf.pricing import lenient
from otel_agentperf.pricing.gemini_usage import modality_tokens
from otel_agentperf.pricing.tiers import tier_named

_BILLED_TOOLS = frozenset({"google_search", "google_maps"})


class ModalityTokenCount(msgspec.Struct, gc=False):
    """One entry of a token breakdown."""

    modality: str = ""
    tokens: int = 0


class ToolCount(msgspec.Struct, gc=False):
    """How often a grounding tool was used."""

    type: str = ""
    count: int = 0


class InteractionUsage(msgspec.Struct, gc=False):
    """`usage` of an interaction."""

    total_input_tokens: int = 0
    total_cached_tokens: int = 0
    total_output_tokens: int = 0
    total_thought_tokens: int = 0
    total_tool_use_tokens: int = 0
    input_tokens_by_modality: tuple[ModalityTokenCount, ...] = ()
    cached_tokens_by_modality: tuple[ModalityTokenCount, ...] = ()
    output_tokens_by_modality: tuple[ModalityTokenCount, ...] = ()
    tool_use_tokens_by_modality: tuple[ModalityTokenCount, ...] = ()
    grounding_tool_count: tuple[ToolCount, ...] = ()


class StepContent(msgspec.Struct, gc=False):
    """The kind of one piece of a step's content: `text`, `image`, ..."""

    type: str = ""
    text: msgspec.Raw = msgspec.Raw(b"")


class Step(msgspec.Struct, gc=False):
    """One step: `thought`, `model_output`, `function_call`, ...; its content undecoded."""

    type: str = ""
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"")
    content: tuple[StepContent, ...] = ()


class Interaction(msgspec.Struct, gc=False):
    """The fields we need of an interaction."""

    id: str = ""
    model: str = ""
    status: str = ""
    service_tier: str = ""
    usage: InteractionUsage | None = None
    steps: tuple[Step, ...] = ()


class EventMetadata(msgspec.Struct, gc=False):
    """What rides along with a stream event."""

    usage: InteractionUsage | None = None


class InteractionEvent(msgspec.Struct, gc=False):
    """One event of a streamed interaction."""

    event_type: str = ""
    interaction: Interaction | None = None
    metadata: EventMetadata | None = None

    @property
    def usage(self) -> InteractionUsage | None:
        """The usage so far, where the event has one."""
        if self.interaction is not None and self.interaction.usage is not None:
            return self.interaction.usage
        return None if self.metadata is None else self.metadata.usage


_interaction = msgspec.json.Decoder(Interaction)
_event = msgspec.json.Decoder(InteractionEvent)


def decode_interaction(body: bytes | str) -> Interaction:
    """Return the interaction in a body. It never raises: what does not fit counts as absent."""
    return lenient.decode(_interaction, Interaction, body)


def decode_event(data: bytes | str) -> InteractionEvent:
    """Return the event in the data of one server-sent event. It never raises."""
    return lenient.decode(_event, InteractionEvent, data)


def interaction_tier(interaction: Interaction) -> ServiceTier:
    """Return the tier that served an interaction; standard where it says nothing."""
    return tier_named(interaction.service_tier)


def to_usage(usage: InteractionUsage) -> Usage:
    """Return the usage by the rules of the GenAI conventions, as `gemini_usage.to_usage` does."""
    tool_use = max(usage.total_tool_use_tokens, 0)
    thoughts = max(usage.total_thought_tokens, 0)
    return Usage(
        input_tokens=max(usage.total_input_tokens, 0) + tool_use,
        output_tokens=max(usage.total_output_tokens, 0) + thoughts,
        cache_read_tokens=max(usage.total_cached_tokens, 0),
        reasoning_tokens=thoughts,
        tool_use_tokens=tool_use,
        input_modalities=_modalities(usage.input_tokens_by_modality + usage.tool_use_tokens_by_modality),
        cache_modalities=_modalities(usage.cached_tokens_by_modality),
        output_modalities=_modalities(usage.output_tokens_by_modality),
        grounding_queries=sum(max(tool.count, 0) for tool in usage.grounding_tool_count if tool.type in _BILLED_TOOLS),
    )


def _modalities(counts: tuple[ModalityTokenCount, ...]) -> ModalityTokens | None:
    return modality_tokens((count.modality, count.tokens) for count in counts)
