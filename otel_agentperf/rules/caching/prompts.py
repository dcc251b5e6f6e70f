"""Long requests of a session, packed in some hundred bytes each, and which of them begin alike."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from otel_agentperf.model import MAX_CLAIMS, Inference, Operation, ServiceTier, Usage

MAX_REQUESTS = MAX_CLAIMS
"""Requests of a session that are remembered, the latest ones."""
MAX_LINKS = 32
"""Links of a chain of fingerprints; where there are as many, the prompt may go on beyond them."""
_HEAD = struct.Struct(">QQQIIII?")
_LINK = struct.Struct(">QI")


class Who(NamedTuple):
    """Who asked whom: a cache belongs to a model, a suggestion to an agent."""

    provider: str
    model: str
    tier: ServiceTier
    agent: str


_Key = tuple[str, str, ServiceTier, str]
"""A `Who`, made in half the time."""


class Request(NamedTuple):
    """A remembered request. Times are Unix nanoseconds."""

    who: Who
    end_ns: int
    start_ns: int
    span_id: int
    input_tokens: int
    prompt_tokens: int
    """Without those of tools that ran at the model's side."""
    cached_tokens: int
    minimum_tokens: int
    is_whole: bool
    """The last link is the end of the prompt."""
    links: tuple[tuple[int, int], ...]
    """Fingerprint of each beginning, and its tokens by its share of the characters, 0 where that says nothing."""


@dataclass(slots=True)
class Requests:
    """The latest long requests of a session; what is kept does not depend on the order in which they came."""

    by_who: dict[_Key, list[bytes]] = field(default_factory=dict["_Key", "list[bytes]"])
    """Packed, so that they sort by their end."""
    kept: int = 0

    def add(self, operation: Operation, inference: Inference, usage: Usage, who: _Key, minimum: int) -> None:
        """Remember a request.

        Args:
            operation: a billed request that is over.
            inference: its own.
            usage: its own.
            who: provider, model, tier and agent.
            minimum: from how many tokens a beginning is cached.
        """
        packed = _packed(operation, inference, usage, minimum)
        if packed is None:
            return
        requests = self.by_who.get(who)
        if requests is None:
            requests = self.by_who[who] = []
        requests.append(packed)
        self.kept += 1
        if self.kept >= 2 * MAX_REQUESTS:
            self.trim()

    def merge(self, other: Requests) -> None:
        """Take in other requests, which are left as they are."""
        for who, requests in other.by_who.items():
            self.by_who.setdefault(who, []).extend(requests)
        self.kept += other.kept
        self.trim()

    def trim(self) -> None:
        """Let go of all but the latest."""
        if self.kept <= MAX_REQUESTS:
            return
        every = ((packed, who) for who, requests in self.by_who.items() for packed in requests)
        latest = sorted(every)[-MAX_REQUESTS:]  # in order for the most part, which is quick
        self.by_who = {}
        for packed, who in latest:
            self.by_who.setdefault(who, []).append(packed)
        self.kept = len(latest)

    def by_end(self) -> Iterator[Request]:
        """All that are remembered, in the order in which they ended."""
        every = ((packed, who) for who, requests in self.by_who.items() for packed in requests)
        for packed, who in sorted(every):
            links = tuple(_LINK.iter_unpack(packed[_HEAD.size :]))
            yield Request._make((Who._make(who), *_HEAD.unpack_from(packed), links))


def _packed(operation: Operation, inference: Inference, usage: Usage, minimum: int) -> bytes | None:
    """The request in some hundred bytes; `None` where there is nothing in it to compare."""
    sizes, hashes = inference.prefix_sizes, inference.prefix_hashes
    size = inference.request_size
    if not size or len(sizes) != len(hashes) or operation.end_ns <= operation.start_ns:
        return None
    prompt_tokens = usage.input_tokens - usage.tool_use_tokens
    media = usage.input_modalities
    by_size = media is None or not (media.image or media.audio or media.video or media.document)
    try:
        head = _HEAD.pack(
            operation.end_ns,
            operation.start_ns,
            int(operation.span_id, 16),
            usage.input_tokens,
            prompt_tokens,
            usage.cache_read_tokens,
            minimum,
            len(hashes) < MAX_LINKS,
        )
        links: list[bytes] = []
        for link, upto in zip(hashes, sizes, strict=True):
            tokens = prompt_tokens * upto // size if by_size else 0
            if tokens >= minimum or not by_size:
                links.append(_LINK.pack(int(link, 16), min(prompt_tokens, tokens)))
    except (ValueError, struct.error):  # no fingerprint of ours, or a number that no clock or model gives
        return None
    return head + b"".join(links) if links else None


def repeats(requests: Requests, life_ns: int) -> Iterator[tuple[Request, int]]:
    """The requests that begin as one did that had ended before them, with the tokens in common.

    Args:
        requests: those of a session.
        life_ns: how long before the earlier one may have ended.
    """
    by_end = list(requests.by_end())
    seen: dict[tuple[str, str, int], tuple[int, int]] = {}
    place = 0
    for request in sorted(by_end, key=lambda each: (each.start_ns, each.end_ns, each.span_id)):
        while by_end[place].end_ns <= request.start_ns:
            _see(seen, by_end[place])
            place += 1
        shared = _shared(seen, request, life_ns)
        if shared:
            yield request, shared


def _see(seen: dict[tuple[str, str, int], tuple[int, int]], request: Request) -> None:
    provider, model, *_ = request.who
    last = len(request.links) - 1
    for place, (link, _) in enumerate(request.links):
        key = (provider, model, link)
        whole = request.prompt_tokens if request.is_whole and place == last else seen.get(key, (0, 0))[1]
        seen[key] = (request.end_ns, whole)


def _shared(seen: Mapping[tuple[str, str, int], tuple[int, int]], request: Request, life_ns: int) -> int:
    provider, model, *_ = request.who
    for link, by_size in reversed(request.links):
        end_ns, whole = seen.get((provider, model, link), (None, 0))
        if end_ns is not None and request.start_ns - end_ns <= life_ns:
            tokens = min(whole or by_size, request.prompt_tokens)
            if tokens >= request.minimum_tokens:
                return tokens
    return 0
