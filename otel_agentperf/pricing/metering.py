"""The usage of one `generateContent` answer, taken in as it comes: whole, or chunk by chunk of a stream.

A `Meter` keeps counts, queries and the kinds of sources, never a chunk. Which tools the request had
tells whose the queries and the retrieved context are; where that is not known, the answer's own
sources decide (see `counting`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import msgspec

from otel_agentperf.model import ServiceTier, Usage
from otel_agentperf.pricing import counting
from otel_agentperf.pricing.counting import GOOGLE_MAPS, GOOGLE_SEARCH, NO_TOOLS, URL_CONTEXT
from otel_agentperf.pricing.gemini_usage import (
    GroundingMetadata,
    Part,
    Response,
    UsageMetadata,
    carried,
    details,
    served_tier,
)

_MEDIA_TYPE = re.compile(rb'"mimeType"\s*:\s*"(image|audio|video)/')
_ENDS = 256
"""Bytes at either end of a piece of media where its type stands; its data is between them."""
_EMPTY_TEXT = len('""')
_SOLD_BY_THE_PIECE = ("imagen", "lyria")
"""Beginnings of names of models whose answers are billed by the image or the song, not by token."""


class Meter:
    """What one answer used, so far.

    Args:
        tools: those of the request, as `counting.tool_names` gives them; empty where they are not known.
    """

    __slots__ = (
        "_has_text",
        "_maps",
        "_media",
        "_metadata",
        "_model",
        "_predicted",
        "_queries",
        "_used",
        "_web",
        "tools",
    )

    def __init__(self, tools: Collection[str] = NO_TOOLS) -> None:
        self.tools = tools
        self._metadata: UsageMetadata | None = None
        self._model = ""
        self._queries: set[str] | None = None
        self._used: set[str] | None = None
        self._web = self._maps = self._has_text = False
        self._media: dict[str, int] | None = None
        self._predicted: tuple[int, float] | None = None

    @property
    def tier(self) -> ServiceTier | None:
        """The tier that the answer reports, `None` where it reports none."""
        return served_tier(self._metadata)

    def add(self, response: Response) -> None:
        """Take in a response, or one chunk of a stream."""
        metadata = response.usage_metadata
        if metadata is not None:
            before = self._metadata
            self._metadata = metadata if before is None else carried(before, metadata)
        self._model = response.model_version or self._model
        for candidate in response.candidates:
            if candidate.grounding_metadata is not None:
                self._add_grounding(candidate.grounding_metadata)
            urls = candidate.url_context_metadata
            if urls is not None and urls.url_metadata:
                self._use(URL_CONTEXT)
            if candidate.content is not None:
                for part in candidate.content.parts:
                    if part.text:
                        self._has_text = self._has_text or (not part.thought and len(part.text) > _EMPTY_TEXT)
                    elif part.function_call is None:
                        self._add_part(part)
        if response.predictions:
            self._add_predictions(response)

    def _use(self, tool: str) -> None:
        used = self._used = self._used or set()
        used.add(tool)

    def _add_grounding(self, found: GroundingMetadata) -> None:
        queries = self._queries = self._queries or set()
        queries.update(found.web_search_queries, found.image_search_queries)
        for chunk in found.grounding_chunks:
            self._web = self._web or _is_there(chunk.web)
            self._maps = self._maps or _is_there(chunk.maps)
            if _is_there(chunk.retrieved_context):
                self._use("file_search")
        self._maps = self._maps or found.google_maps_widget_context_token != ""

    def _add_part(self, part: Part) -> None:
        if part.executable_code or part.code_execution_result:
            self._use("code_execution")
        elif part.inline_data and not part.thought:
            data = memoryview(part.inline_data)
            kind = _MEDIA_TYPE.search(bytes(data[:_ENDS])) or _MEDIA_TYPE.search(bytes(data[-_ENDS:]))
            if kind is not None:
                media = self._media = self._media or {}
                name = kind[1].decode()
                media[name] = media.get(name, 0) + 1

    def _add_predictions(self, response: Response) -> None:
        for prediction in response.predictions:
            images, tokens = self._predicted or (0, 0.0)
            if prediction.embeddings is not None and prediction.embeddings.statistics is not None:
                self._predicted = (images, tokens + prediction.embeddings.statistics.token_count)
            elif prediction.bytes_base64_encoded and prediction.mime_type.startswith("image/"):
                self._predicted = (images + 1, tokens)

    def usage(self) -> Usage | None:
        """Return the usage so far, `None` where nothing is known of it (which is not 0)."""
        metadata = self._metadata
        if metadata is None:
            if self._predicted is not None:
                images, tokens = self._predicted
                return Usage(input_tokens=round(tokens), images=images)
            # Without counts, the tokens are unknown; they matter to no model that is sold by the piece.
            return Usage(images=self._pieces()) if self._media and self._sold_by_the_piece() else None
        if self._queries is None and self._used is None and self._media is None and not self._maps:
            return to_usage(metadata, tools=self.tools)
        return self._with_pieces(metadata)

    def _sold_by_the_piece(self) -> bool:
        return self._model.rpartition("/")[2].startswith(_SOLD_BY_THE_PIECE)

    def _pieces(self) -> int:
        media = self._media or {}
        return sum(media.values()) if self._sold_by_the_piece() else media.get("image", 0)

    def _with_pieces(self, metadata: UsageMetadata) -> Usage:
        named = len((self._queries or set()) - {""})
        queries = counting.split_queries(named, self.tools, web=self._web, maps=self._maps)
        used = set(self._used or ())
        if queries.maps:
            used.add(GOOGLE_MAPS)
        if queries.search or queries.enterprise:
            used.add(GOOGLE_SEARCH)
        return to_usage(
            metadata,
            queries,
            tools=self.tools,
            used=used,
            media=self._media,
            has_text=self._has_text,
            images=self._pieces(),
        )


def _is_there(value: msgspec.Raw) -> bool:
    return bytes(value) not in (b"", b"null")


def to_usage(
    metadata: UsageMetadata,
    queries: counting.Queries = counting.NO_QUERIES,
    *,
    tools: Collection[str] = NO_TOOLS,
    used: Collection[str] = NO_TOOLS,
    media: dict[str, int] | None = None,
    has_text: bool = True,
    images: int = 0,
) -> Usage:
    """Return the usage by the rules of the GenAI conventions.

    Input is prompt plus tool-use tokens, output is candidates plus thoughts; cached tokens and
    thoughts are subsets. Modalities stay `None` where everything is text.

    Args:
        metadata: of the response, or of a stream so far (`gemini_usage.carried`).
        queries: by tool, as `counting.split_queries` tells them apart.
        tools: those of the request; empty where they are not known.
        used: those that the answer shows to have been used.
        media: pieces of the answer that are no text, by modality.
        has_text: whether it has text too.
        images: images (or songs) of the answer.
    """
    m = metadata
    prompt, candidates = m.prompt_token_count, m.candidates_token_count
    tool_use, thoughts, cached = m.tool_use_prompt_token_count, m.thoughts_token_count, m.cached_content_token_count
    if prompt < 0 or candidates < 0 or tool_use < 0 or thoughts < 0 or cached < 0:
        prompt, candidates, tool_use, thoughts, cached = (
            max(tokens, 0) for tokens in (prompt, candidates, tool_use, thoughts, cached)
        )
    assumption = queries.assumption
    entered, answered = prompt + tool_use, candidates + thoughts
    if m.total_token_count > 0 and m.total_token_count != entered + answered:
        entered, answered, thoughts, differs = counting.reconciled(
            prompt, tool_use, candidates, thoughts, m.total_token_count
        )
        assumption = counting.assumed(assumption, differs)
    free = 0
    if tool_use:
        free, unknown = counting.free_context(tool_use, tools, used)
        assumption = counting.assumed(assumption, unknown)
    by_output = details(m.candidates_tokens_details) if m.candidates_tokens_details else None
    if media is not None and not m.candidates_tokens_details:
        by_output, unknown = counting.media_tokens(answered - thoughts, media, has_text=has_text)
        assumption = counting.assumed(assumption, unknown)
    return Usage(
        entered,
        answered,
        cached,
        thoughts,
        tool_use,
        details((m.prompt_tokens_details or m.prompt_token_details) + m.tool_use_prompt_tokens_details),
        details(m.cache_tokens_details) if m.cache_tokens_details else None,
        by_output,
        queries.search,
        queries.maps,
        free,
        0,
        0,
        images,
        0.0,
        assumption,
        queries.enterprise,
    )


def usage_of(responses: Response | Iterable[Response], tools: Collection[str] = NO_TOOLS) -> Usage | None:
    """Return the usage of a response, or of all chunks of a stream; `None` where nothing is known of it.

    Args:
        responses: one or several.
        tools: those of the request; empty where they are not known.
    """
    meter = Meter(tools)
    for response in (responses,) if isinstance(responses, Response) else responses:
        meter.add(response)
    return meter.usage()
