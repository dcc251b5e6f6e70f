"""Long requests of a session, packed in some hundred bytes each, and which of them begin alike."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from otel_agentperf.model import MAX_CLAIMS, Inference, Operation, ServiceTier, Usage
from otel_agentperf.rules.base import of_agent

MAX_REQUESTS = MAX_CLAIMS
"""Requests of a session that are remembered, the latest ones."""
MAX_LINKS = 32
"""Links of a chain of fingerprints; where there are as many, the prompt may go on beyond them."""
_HEAD = struct.Struct(">QQQIIII?")
_LINKS = tuple(struct.Struct(f">{number}Q{number}I") for number in range(MAX_LINKS + 1))
_HASH_SIZE = 8
_LINK_SIZE = _HASH_SIZE + 4
_TOKENS = tuple(struct.Struct(f">{number}I") for number in range(MAX_LINKS + 1))


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
    links: tuple[int, ...]
    """The fingerprint of each beginning."""
    tokens: tuple[int, ...]
    """Of each beginning by its share of the characters, 0 where that says nothing."""


class Requests(msgspec.Struct, gc=False):
    """The latest long requests of a session; what is kept does not depend on the order in which they came."""

    by_who: dict[_Key, list[bytes]] = {}
    """Packed, so that they sort by their end."""
    kept: int = 0
    added: int = 0
    """All that were ever remembered."""
    next_look: int = 0
    """From how many on it is worth while to look at all of them again, at the end of a run."""

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
        self.added += 1
        if self.kept >= 2 * MAX_REQUESTS:
            self.trim()

    def merge(self, other: Requests) -> None:
        """Take in other requests, which are left as they are."""
        for who, requests in other.by_who.items():
            self.by_who.setdefault(who, []).extend(requests)
        self.kept += other.kept
        self.added += other.added
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
            number = (len(packed) - _HEAD.size) // _LINK_SIZE
            links = _LINKS[number].unpack_from(packed, _HEAD.size)
            yield Request._make((Who._make(who), *_HEAD.unpack_from(packed), links[:number], links[number:]))


def _packed(operation: Operation, inference: Inference, usage: Usage, minimum: int) -> bytes | None:
    """The request in some hundred bytes; `None` where there is nothing in it to compare."""
    sizes, hashes = inference.prefix_sizes, inference.prefix_hashes
    size = inference.request_size
    if inference.instructions_unknown:  # what precedes the messages differs from agent to agent
        hashes = tuple(of_agent(link, operation.agent) for link in hashes)
    if not size or not len(sizes) == len(hashes) <= MAX_LINKS or operation.end_ns <= operation.start_ns:
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
        if not by_size:
            tokens = [0] * len(hashes)
        elif prompt_tokens <= 0:
            return None
        else:
            # Those that are too short to be cached come first.
            first = bisect_left(sizes, -(-minimum * size // prompt_tokens))
            hashes = hashes[first:]
            tokens = [min(prompt_tokens, prompt_tokens * upto // size) for upto in sizes[first:]]
        links = bytes.fromhex("".join(hashes))
        number = len(hashes)
        if not number or len(links) != _HASH_SIZE * number:
            return None
        return head + links + _TOKENS[number].pack(*tokens)
    except (ValueError, struct.error):  # no fingerprint of ours, or a number that no clock or model gives
        return None


def repeats(requests: Requests, life_ns: int) -> Iterator[tuple[Request, int]]:
    """The requests that begin as one did that had ended before them, with the tokens in common.

    Args:
        requests: those of a session.
        life_ns: how long before the earlier one may have ended.
    """
    by_end = list(requests.by_end())
    caches = defaultdict[tuple[str, str], _Cache](_Cache)
    place = 0
    for request in sorted(by_end, key=lambda each: (each.start_ns, each.end_ns, each.span_id)):
        while by_end[place].end_ns <= request.start_ns:
            ended = by_end[place]
            caches[ended.who[:2]].take(ended)
            place += 1
        shared = caches[request.who[:2]].shared(request, life_ns)
        if shared:
            yield request, shared


class _Cache(msgspec.Struct, gc=False):
    """What one model may have in its cache."""

    ended_ns: dict[int, int] = {}
    """By beginning, when a request with it last ended."""
    whole: dict[int, int] = {}
    """Tokens of the beginnings that were whole prompts."""

    def take(self, request: Request) -> None:
        """Take in a request that has ended; they come in that order."""
        self.ended_ns.update(dict.fromkeys(request.links, request.end_ns))
        if request.is_whole:
            self.whole[request.links[-1]] = request.prompt_tokens

    def shared(self, request: Request, life_ns: int) -> int:
        """The tokens of the longest beginning that may still be there; 0 for none that is long enough."""
        for link, by_size in zip(reversed(request.links), reversed(request.tokens), strict=True):
            ended_ns = self.ended_ns.get(link)
            if ended_ns is not None and request.start_ns - ended_ns <= life_ns:
                tokens = min(self.whole.get(link) or by_size, request.prompt_tokens)
                if tokens >= request.minimum_tokens:
                    return tokens
        return 0
