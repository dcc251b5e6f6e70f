"""ERR002 retry_storm

What it finds: an agent that tries one thing again and again: a model request or a node that took
3 retries or more, or a row of requests that the provider turned away (429, 503), each sent
without waiting longer than before.

Why it costs: every attempt takes its time, and what is sent into a rate limit keeps it shut, for
all agents of the project.

Example: `crawler` sent 9 requests within 4 s that were answered 429, with 0.3 s between them.

Instead: back off: wait longer after each refusal, with some chance in it (`HttpRetryOptions`, a
`RetryPolicy` with `backoff_factor`), send fewer at once, or ask for a higher quota.

Limits: requests that were under way at the same time are no retries of each other. A program's own
retries are told by their time: a refusal, then the next request of the same agent within a
minute. For a node that was retried as a whole, only what had failed beneath it can be measured, or
what it did each time over where it did the same in every attempt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import isnan

import msgspec

from otel_agentperf.model import (
    ZERO_USD,
    Claim,
    Complexity,
    Inference,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
)
from otel_agentperf.rules.base import Group, Option, Row, Rule, Scope, View, span_hex
from otel_agentperf.rules.bounded import Claims, target_of, weighed
from otel_agentperf.rules.traits import FAILED, RETRIED

NS_PER_S = 1_000_000_000
REFERENCE_IMPACT = 0.7
ALARM_IMPACT = 0.5
MAX_AGENTS = 64
MAX_NODES = 64
TOGETHER_NS = 60 * NS_PER_S
"""A request that comes later than this after a refusal is no retry of it."""
FIRST_WAIT_NS = NS_PER_S
"""Less is no backing off."""
GROWTH = 1.2
"""A wait that is this many times the one before has grown."""
REFUSED = frozenset(
    {
        "429",
        "503",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
        "ResourceExhausted",
        "ServiceUnavailable",
        "ServiceUnavailableError",
        "RateLimitError",
        "TooManyRequests",
        "OverloadedError",
    }
)
"""`error.type` of a request that the provider turned away: status codes, and the names that SDKs give them."""


class _Refused(msgspec.Struct, gc=False):
    """A row of refusals, one after another."""

    start_ns: int
    end_ns: int
    span_id: str
    request_hash: str | None
    wait_ns: int = 0
    retries: int = 0
    """Of this very request, so far."""


class _Agent(msgspec.Struct, gc=False):
    most_retries: int = 0
    """Of one operation."""
    retries: int = 0
    only_nodes: bool = False
    """No request was tried again: its nodes failed for another reason."""
    unwaited: int = 0
    """Retries after a refusal that did not wait longer than the one before."""
    rate_limited: int = 0
    row: _Refused | None = None
    claims: Claims = msgspec.field(default_factory=Claims)


class _State(msgspec.Struct, gc=False):
    agents: dict[str, _Agent] = {}
    rows: int = 0
    """Agents whose last request was refused."""
    nodes: dict[str, tuple[str, int]] = {}
    """Nodes that were retried, by span: whose they are and how often."""


_BACK_OFF = "Wait longer after each refusal, send fewer requests at once, or ask for a higher quota."
_SEND_LESS = "Send fewer requests at once, or ask for a higher quota."
_MEND = "Look at why its node fails, and retry only the part that may pass next time."


class RetryStorm(Rule[_State]):
    """Retries of one operation, and refusals met without backing off, by agent.

    Saving, measured: the waits between HTTP attempts; of refused requests, the time until the
    next one; of a retried node, the time and the cost of what ran beneath it until its last
    failed attempt had failed. An alarm where the waits did not grow. Impact: 0.7 where that is
    at least half of the run's time, in proportion below; at least 0.5 for an alarm.
    """

    code = "ERR002"
    name = "retry_storm"
    group = Group.FAILURES
    scope = Scope.RUN
    watches = frozenset({OperationKind.INFERENCE, OperationKind.EMBEDDINGS, OperationKind.NODE})
    needs = FAILED | RETRIED
    stays_awake = True  # a refusal is followed by other requests
    complexity = Complexity.LOW
    options = {
        "max_retries": Option(2, "retries", "Retries of one operation that are nothing to speak of."),
        "max_unwaited": Option(2, "retries", "Retries without a longer wait that are nothing to speak of."),
    }
    max_retries: int
    max_unwaited: int

    def start(self) -> _State:
        return _State()

    def observe(self, state: _State, operation: Operation, view: View) -> Iterable[Suggestion]:
        if operation.kind is OperationKind.NODE:
            node = operation.node
            if node is not None and node.attempts > 1 and len(state.nodes) < MAX_NODES:
                agent = operation.agent or operation.name
                state.nodes[operation.span_id] = (f"agent:{agent}", node.attempts - 1)
            return ()
        call = operation.inference
        if call is None:
            return ()
        if operation.error_type is None and call.attempts == 1 and not state.rows:
            return ()  # it was answered at once, and follows no refusal
        target = target_of(operation.agent, call.request_model)
        agent = state.agents.get(target)
        refused = operation.error_type is not None and _is_refused(operation.error_type)
        if agent is None:
            if (not refused and call.attempts == 1) or len(state.agents) >= MAX_AGENTS:
                return ()
            agent = state.agents[target] = _Agent()
        agent.rate_limited += max(call.rate_limited, operation.error_type == "429")
        _attempts(agent, operation, call)
        state.rows -= agent.row is not None
        _follow(agent, operation, call, refused=refused)
        state.rows += agent.row is not None
        return ()

    def conclude(self, state: _State, root: Operation, view: View) -> Iterable[Suggestion]:
        _add_nodes(state, view)
        return [
            self._suggestion(target, agent, root)
            for target, agent in state.agents.items()
            if agent.most_retries > self.max_retries or agent.unwaited > self.max_unwaited
        ]

    def _suggestion(self, target: str, agent: _Agent, root: Operation) -> Suggestion:
        alarm = agent.unwaited > self.max_unwaited
        claims = agent.claims.largest()
        lost_ns = _union_ns(claims)
        lost_usd = sum((claim.cost_usd for claim in claims), ZERO_USD)
        impact = weighed(REFERENCE_IMPACT, lost_ns, root.duration_ns)
        limited = f", {agent.rate_limited} met a rate limit" if agent.rate_limited else ""
        lost = f": {lost_ns / NS_PER_S:.1f} s lost" if lost_ns else ""
        do = _MEND if agent.only_nodes else _BACK_OFF if agent.unwaited else _SEND_LESS
        hasty = f", {agent.unwaited} without a longer wait than before" if agent.unwaited else ""
        return Suggestion(
            rule=self.code,
            type=self.name,
            level=Level.ALARM if alarm else Level.NOTICE,
            description=(
                f"{target.partition(':')[2]} needed {agent.retries} retries, up to {agent.most_retries} in a row"
                f"{limited}{hasty}{lost}. {do}"
            ),
            impact_score=max(ALARM_IMPACT, impact) if alarm else impact,
            complexity=self.complexity,
            confidence=0.9,
            applies_to=(target,),
            span_ids=agent.claims.spans(),
            evidence={
                "retries": agent.retries,
                "most_retries": agent.most_retries,
                "rate_limited": agent.rate_limited,
                "retries_without_longer_wait": agent.unwaited,
            },
            savings=Savings(SavingBasis.MEASURED, time_s=round(lost_ns / NS_PER_S, 6), cost_usd=lost_usd or None)
            if claims
            else None,
            claims=claims,
        )


def _is_refused(error: str) -> bool:
    return error.rpartition(".")[2] in REFUSED


def _attempts(agent: _Agent, operation: Operation, call: Inference) -> None:
    """Take in the HTTP attempts of one request."""
    retries = call.attempts - 1
    if retries <= 0:
        return
    agent.retries += retries
    agent.most_retries = max(agent.most_retries, retries)
    if call.retry_wait_ns < FIRST_WAIT_NS * retries:
        agent.unwaited += min(retries, call.rate_limited)
    start_ns = operation.start_ns
    agent.claims.add(operation.span_id, start_ns=start_ns, end_ns=start_ns + call.retry_wait_ns)


def _follow(agent: _Agent, operation: Operation, call: Inference, *, refused: bool) -> None:
    """Take in one request as what follows, or does not follow, a refusal."""
    row, start_ns, end_ns = agent.row, operation.start_ns, operation.end_ns
    if row is not None and start_ns < row.end_ns:  # under way at the same time
        if refused:
            row.end_ns = max(row.end_ns, end_ns)
        return
    wait_ns, retries = 0, 0
    if row is not None and start_ns - row.end_ns <= TOGETHER_NS:
        wait_ns = start_ns - row.end_ns
        same = None in (call.request_hash, row.request_hash) or call.request_hash == row.request_hash
        retries = row.retries + 1 if same else 0
        if same or refused:
            agent.retries += 1
            agent.most_retries = max(agent.most_retries, retries)
            agent.unwaited += wait_ns < max(FIRST_WAIT_NS, row.wait_ns * GROWTH)
            agent.claims.add(row.span_id, start_ns=row.start_ns, end_ns=start_ns)
    agent.row = _Refused(start_ns, end_ns, operation.span_id, call.request_hash, wait_ns, retries) if refused else None


def _add_nodes(state: _State, view: View) -> None:
    """Take in the nodes that were retried as a whole, and what ran in vain beneath them."""
    if not state.nodes:
        return
    retries: dict[str, int] = defaultdict(int)
    for target, number in state.nodes.values():
        agent = state.agents.setdefault(target, _Agent())
        agent.only_nodes = not agent.retries
        retries[target] += number
        agent.most_retries = max(agent.most_retries, number)
    for target, number in retries.items():
        # The requests that made a node fail may have been counted already.
        state.agents[target].retries = max(state.agents[target].retries, number)
    columns = view.columns
    if columns is None or columns.dropped:
        return
    children: dict[int, list[Row]] = defaultdict(list)
    rows = columns.rows()
    for row in rows:
        children[row.parent_id].append(row)
    for row in rows:
        found = state.nodes.get(span_hex(row.span_id))
        if found is not None:
            _claim_beneath(state.agents[found[0]].claims, row, found[1], children)


def _claim_beneath(claims: Claims, node: Row, retries: int, children: dict[int, list[Row]]) -> None:
    """Claim what ran beneath a node until its last failed attempt had failed, as far as that is seen."""
    until_ns = _failed_until_ns(children[node.span_id], retries)
    if until_ns is None:
        return
    claims.add(span_hex(node.span_id), start_ns=node.start_ns, end_ns=until_ns)
    below, seen = [node.span_id], {node.span_id}
    while below:
        for row in children[below.pop()]:
            if row.span_id in seen:
                continue
            seen.add(row.span_id)
            below.append(row.span_id)
            if row.end_ns <= until_ns and not isnan(row.cost_usd) and row.cost_usd > 0:
                claims.add(span_hex(row.span_id), Decimal(repr(row.cost_usd)))


def _failed_until_ns(rows: Sequence[Row], retries: int) -> int | None:
    """When the last failed attempt of a node had done what failed, or what every attempt does."""
    ends = sorted(row.end_ns for row in rows if row.is_error)
    if ends:
        return ends[min(retries, len(ends)) - 1]
    steps = len(rows) // (retries + 1)
    names = [(row.kind, row.name) for row in rows]
    if not steps or names != names[:steps] * (retries + 1):
        return None
    return max(row.end_ns for row in rows[: steps * retries])


def _union_ns(claims: Iterable[Claim]) -> int:
    total_ns = until_ns = 0
    for start_ns, end_ns in sorted((claim.start_ns, claim.end_ns) for claim in claims):
        total_ns += max(0, end_ns - max(start_ns, until_ns))
        until_ns = max(until_ns, end_ns)
    return total_ns
