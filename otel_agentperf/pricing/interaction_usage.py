"""What an Interaction says of its own usage, parsed once: created whole, or as stream events.

The Interactions API has its own spelling: `total_input_tokens`, breakdowns by lower-case
modality, the tier at the top. In a stream the completed event has the final usage; events
before it may carry a cumulative one under `metadata`, which counts when the stream is left early.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from otel_agentperf.model import ModalityTokens, ServiceTier, Usage
from otel_agentperf.pricing import counting, lenient
from otel_agentperf.pricing.counting import ENTERPRISE_SEARCH, GOOGLE_MAPS, GOOGLE_SEARCH, NO_TOOLS
from otel_agentperf.pricing.gemini_usage import modality_tokens
from otel_agentperf.pricing.tiers import tier_named

_TOOL_STEP = re.compile(r"([a-z_]+?)_(?:call|result)")


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
    total_tokens: int = 0
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


def merged(before: InteractionUsage | None, after: InteractionUsage) -> InteractionUsage:
    """Return the usage so far, after one more event of a stream or one more poll.

    Usage is cumulative, so the last one counts; what it leaves out of an earlier one of the same
    prompt still holds, as in `gemini_usage.carried`.
    """
    if before is None or after.total_input_tokens not in (0, before.total_input_tokens):
        return after
    changes: dict[str, Any] = {
        name: getattr(before, name)
        for name in InteractionUsage.__struct_fields__
        if getattr(before, name) and not getattr(after, name)
    }
    if before.total_cached_tokens > after.total_cached_tokens:
        changes["total_cached_tokens"] = before.total_cached_tokens
    if "total_thought_tokens" in changes and after.total_tokens:
        whole = msgspec.structs.replace(after, **changes)
        rest = whole.total_tokens - whole.total_input_tokens - whole.total_output_tokens - whole.total_tool_use_tokens
        if rest > 0:
            changes["total_thought_tokens"] = rest
    return msgspec.structs.replace(after, **changes) if changes else after


def tools_used(step_types: Iterable[str]) -> frozenset[str]:
    """Return the tools whose steps an interaction has, by the names of `counting.tool_names`.

    Args:
        step_types: the types of its steps: `google_search_call`, `url_context_result`, ...
    """
    found = (_TOOL_STEP.fullmatch(step) for step in step_types)
    return frozenset(step[1] for step in found if step is not None and step[1] != "function")


def to_usage(
    usage: InteractionUsage,
    *,
    tools: Collection[str] = NO_TOOLS,
    used: Collection[str] = NO_TOOLS,
    media: Mapping[str, int] | None = None,
    has_text: bool = True,
) -> Usage:
    """Return the usage by the rules of the GenAI conventions, as `metering.to_usage` does.

    Args:
        usage: of the interaction, or of its stream so far (`merged`).
        tools: those of the request, as `counting.tool_names` gives them; empty where they are not known.
        used: those whose steps the answer has (`tools_used`).
        media: pieces of the answer that are no text, by modality: `{"image": 1}`.
        has_text: whether it has text too.
    """
    prompt, tool_use = max(usage.total_input_tokens, 0), max(usage.total_tool_use_tokens, 0)
    counts = counting.reconciled(
        prompt,
        tool_use,
        max(usage.total_output_tokens, 0),
        max(usage.total_thought_tokens, 0),
        max(usage.total_tokens, 0),
    )
    by_tool: dict[str, int] = {}
    for tool in usage.grounding_tool_count:
        by_tool[tool.type] = by_tool.get(tool.type, 0) + max(tool.count, 0)
    grounded = {tool for tool, count in by_tool.items() if count}
    free, unknown = counting.free_context(tool_use, tools, grounded.union(used))
    by_output = _modalities(usage.output_tokens_by_modality)
    guessed = None
    if media and not usage.output_tokens_by_modality:
        by_output, guessed = counting.media_tokens(counts.output - counts.thoughts, media, has_text=has_text)
    return Usage(
        input_tokens=counts.input,
        output_tokens=counts.output,
        cache_read_tokens=max(usage.total_cached_tokens, 0),
        reasoning_tokens=counts.thoughts,
        tool_use_tokens=tool_use,
        input_modalities=_modalities(usage.input_tokens_by_modality + usage.tool_use_tokens_by_modality),
        cache_modalities=_modalities(usage.cached_tokens_by_modality),
        output_modalities=by_output,
        grounding_queries=by_tool.get(GOOGLE_SEARCH, 0),
        maps_queries=by_tool.get(GOOGLE_MAPS, 0),
        search_context_tokens=free,
        images=0 if media is None else media.get("image", 0),
        assumption=counting.assumed(counts.assumption, unknown, guessed),
        enterprise_queries=by_tool.get(ENTERPRISE_SEARCH, 0),
    )


def _modalities(counts: tuple[ModalityTokenCount, ...]) -> ModalityTokens | None:
    return modality_tokens((count.modality, count.tokens) for count in counts)
