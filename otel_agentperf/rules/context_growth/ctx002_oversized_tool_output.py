"""CTX002 oversized_tool_output

What it finds: one result of a tool that makes up at least half of the prompts that follow it.

Why it costs: it is paid for again in every prompt that it stays in, and the model has to find the
few lines that matter in it.

Example: one result of `fetch_page`, 24,000 tokens, was most of the next 6 prompts.

Instead: return what was asked for rather than everything (fields, a page, the best matches), cut or
summarise it in the tool, or store it and give the model a handle and a way to look things up in it.

Limits: the result is told by its length: the one message that was added after the tool had ended
and is as long as its result, with up to a third and 512 characters more for quoting and wrapping.
Its tokens are the prompt's, in proportion to the characters, so prompts with pictures, sound or
documents are left out. Several results in one message count as the largest of them, and a result
that was put in other words is not seen. The first 32 messages of a prompt are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

import msgspec

from otel_agentperf.model import (
    MAX_CLAIMS,
    Claim,
    Complexity,
    Inference,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
    Usage,
)
from otel_agentperf.rules.base import Group, Option, Rule, Scope, View

RECENT_TOOLS, RECENT_REQUESTS = 8, 4
MAX_RESULTS, MAX_LINKS = 64, 512
QUOTING, WRAPPING = 4 / 3, 512
"""How much longer than its result a message may be: times, and characters."""


class _Tool(NamedTuple):
    name: str
    span_id: str
    end_ns: int
    size: int


class _Result(msgspec.Struct, gc=False):
    """A tool's result that has been found in prompts."""

    tool: _Tool
    size: int
    """Characters that it takes in the request."""
    tokens: int = 0
    """In the first prompt it stood in."""
    prompts: int = 0
    most_of: int = 0
    """Prompts of which it made up the given share."""
    tokens_above: int = 0
    claims: list[tuple[float, str]] = []
    """Money and span."""


class _State(msgspec.Struct, gc=False):
    tools: tuple[_Tool, ...] = ()
    """The last ones with a long result."""
    requests: list[tuple[int, tuple[str, ...]]] = []
    """Start and fingerprints of the last requests."""
    links: dict[str, _Result] = {}
    results: dict[str, _Result] = {}
    """By the tool's span."""


class OversizedToolOutput(Rule[_State]):
    """A tool's result of at least 4,000 tokens that is half of two prompts or more.

    Saving, estimated: in each prompt that the result stays in, its tokens above the budget times
    what that prompt really cost per token. Impact: 0.4, plus the saving's share of the run's cost
    (where prices are unknown: the tokens' share of its input), at most 0.9; a share of 40 % or
    more is an alarm.
    """

    code = "CTX002"
    name = "oversized_tool_output"
    group = Group.CONTEXT_GROWTH
    scope = Scope.RUN
    watches = frozenset({OperationKind.INFERENCE, OperationKind.TOOL})
    complexity = Complexity.MEDIUM
    options = {
        "min_share": Option(0.5, "of the prompt", "Share of a prompt from which a result is most of it.", 0.1, 1.0),
        "min_prompts": Option(2, "prompts", "Fewest prompts that it makes up this share of.", 1),
        "min_tokens": Option(4_000, "tokens", "Least length of a result that is judged.", 1),
        "budget_tokens": Option(2_000, "tokens", "Length that a result may have; savings are above it."),
    }
    min_share: float
    min_prompts: int
    min_tokens: int
    budget_tokens: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        call = operation.tool
        if call is not None:
            # A token is a character at least.
            if call.result_size is not None and call.result_size >= self.min_tokens:
                tool = _Tool(operation.name, operation.span_id, operation.end_ns, call.result_size)
                state.tools = (*state.tools, tool)[-RECENT_TOOLS:]
            return ()
        inference, usage = operation.inference, operation.usage
        if inference is None or usage is None or not inference.prefix_sizes:
            return ()
        if state.tools and inference.request_size and usage.input_tokens >= self.min_tokens and not _has_media(usage):
            for result in self._within(state, operation, inference):
                self._count(result, operation, usage, result.size / inference.request_size)
        state.requests.append((operation.start_ns, inference.prefix_hashes))
        if len(state.requests) > RECENT_REQUESTS:
            del state.requests[0]
        return ()

    def _within(self, state: _State, operation: Operation, inference: Inference) -> Iterator[_Result]:
        """The results that stand in a request."""
        found: dict[str, _Result] = {}
        before = 0
        least = self.min_share * (inference.request_size or 0)
        for link, upto in zip(inference.prefix_hashes, inference.prefix_sizes, strict=False):
            size, before = upto - before, upto
            result = state.links.get(link)
            if result is None and size >= least:
                result = _found(state, operation, link, size)
            if result is not None:
                found[result.tool.span_id] = result
        yield from found.values()

    def _count(self, result: _Result, operation: Operation, usage: Usage, share: float) -> None:
        tokens = round((usage.input_tokens - usage.tool_use_tokens) * min(1.0, share))
        above = max(0, tokens - self.budget_tokens)
        result.tokens = result.tokens or tokens
        result.prompts += 1
        result.most_of += share >= self.min_share
        result.tokens_above += above
        cost = operation.cost
        if cost is not None and cost.input_usd is not None and len(result.claims) < MAX_CLAIMS:
            paid_usd = float(cost.input_usd) + float(cost.cache_read_usd or 0)
            result.claims.append((paid_usd / usage.input_tokens * above, operation.span_id))

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        tools: dict[str, list[_Result]] = {}
        for result in state.results.values():
            if result.most_of >= self.min_prompts and result.tokens >= self.min_tokens:
                tools.setdefault(result.tool.name, []).append(result)
        return [self._suggestion(name, results, view) for name, results in tools.items()]

    def _suggestion(self, name: str, results: list[_Result], view: View) -> Suggestion:
        claims: dict[str, float] = {}
        for result in results:
            for usd, span_id in result.claims:
                claims[span_id] = claims.get(span_id, 0.0) + usd
        saving_usd = sum(claims.values())
        above = sum(result.tokens_above for result in results)
        spent_usd = float(view.totals.cost_usd)
        part, whole = (saving_usd, spent_usd) if claims and spent_usd else (above, view.totals.input_tokens)
        share = min(1.0, part / whole) if whole else 0.0
        prompts = sum(result.prompts for result in results)
        largest = max(results, key=lambda result: result.tokens)
        dearest = sorted(claims.items(), key=lambda item: (-item[1], item[0]))[:MAX_CLAIMS]
        spans = (*(result.tool.span_id for result in results), *(span_id for span_id, _ in dearest))
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if share >= 0.4 else Level.NOTICE,  # noqa: PLR2004 - as the docstring says
            description=(
                f"A result of {name} takes {largest.tokens:,} tokens and is most of {largest.most_of} prompts; "
                f"{len(results)} such result{'s' if len(results) > 1 else ''} stood in {prompts} prompts. Have the "
                "tool return what was asked for, or store the rest and give the model a way to look it up."
            ),
            impact_score=round(min(0.9, 0.4 + share), 3),
            complexity=self.complexity,
            confidence=0.8,
            applies_to=(f"tool:{name}",),
            span_ids=tuple(dict.fromkeys(spans))[:16],
            evidence={
                "results": len(results),
                "tokens": largest.tokens,
                "prompts": prompts,
                "tokens_above_budget": above,
                "budget_tokens": self.budget_tokens,
                "share": round(share, 3),
            },
            savings=Savings(SavingBasis.ESTIMATED, cost_usd=Decimal(f"{saving_usd:.9f}")) if saving_usd else None,
            claims=tuple(Claim(span_id, Decimal(f"{usd:.9f}")) for span_id, usd in dearest),
        )


def _found(state: _State, operation: Operation, link: str, size: int) -> _Result | None:
    """The result of the latest tool that this part of the request may be."""
    for tool in reversed(state.tools):
        if (
            tool.end_ns <= operation.start_ns
            and tool.size <= size <= tool.size * QUOTING + WRAPPING
            and not any(start_ns < tool.end_ns and link in links for start_ns, links in state.requests)
        ):
            if len(state.links) >= MAX_LINKS or len(state.results) >= MAX_RESULTS:
                return state.results.get(tool.span_id)
            result = state.results.setdefault(tool.span_id, _Result(tool, size))
            state.links[link] = result
            return result
    return None


def _has_media(usage: Usage) -> bool:
    tokens = usage.input_modalities
    return tokens is not None and bool(tokens.image or tokens.audio or tokens.video or tokens.document)
