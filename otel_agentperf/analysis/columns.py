"""The shape of a run: every operation of it in some hundred bytes.

A live run keeps these instead of its operations. Names, agents and outcomes repeat, so each
combination is kept once. What comes beyond the limit is counted and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from math import isnan, nan
from operator import attrgetter
from struct import Struct, error
from typing import Any, TypeAlias, cast

from otel_agentperf.model import Operation, OperationKind
from otel_agentperf.rules.base import Prompt, Row, int_of, of_agent, span_hex
from otel_agentperf.rules.executions import Execution, executions
from otel_agentperf.rules.shape import Tree
from otel_agentperf.rules.traits import AGENT, BILLED, FAILED, GROUNDED, LONG, STREAMED

_FORMAT = Struct(">4QqqddIIIIIiHHB")
_PACK = Struct(">32sqqddIIIIIiHHB").pack
"""The same: four identities at once are read from their hexadecimal digits in a third of the time."""
_IDS = Struct(">4Q")
_SIZE = _FORMAT.size
_ID_DIGITS, _IDS_BYTES = 16, 32
_NONE = "0" * _ID_DIGITS
_TRAITS = 15
"""Where they stand in what is packed."""
_KINDS = tuple(OperationKind)
PLACES = {kind: place for place, kind in enumerate(_KINDS)}
"""Of each kind, the place by which an operation names it."""
_BRIEF = Struct(">2Q16xqqd8xIII14xHB")
"""Of the same, what an execution measured."""
_GIVEN = Struct(">16xQ40xI24xB")
"""Of the same, what an operation was given, the place of its label and that of its kind."""
_NODE, _INFERENCE = PLACES[OperationKind.NODE], PLACES[OperationKind.INFERENCE]
_FLAGS = FAILED | AGENT | BILLED
_REQUEST, _WORKFLOW = OperationKind.INFERENCE, OperationKind.WORKFLOW
_TOLD = tuple((bool(bits & FAILED), bool(bits & AGENT), bool(bits & BILLED)) for bits in range(_FLAGS + 1))
_new = cast("Callable[[type[Row], tuple[Any, ...]], Row]", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""Makes a row in half the time that its own constructor takes."""
_MOST_TOKENS = 2**32 - 1
_MOST_ASKED = 2**16 - 1
Brief: TypeAlias = tuple[int, int, int, int, float, int, int, int, int, int]
"""Span, parent, start and end in Unix nanoseconds, cost in US dollars, the place of the label, input and output tokens,
traits, and the place of the kind: what an execution measured. Plain tuples: every operation of every run is learned from."""
Label: TypeAlias = tuple[str, str, str | None, str]
"""Name, agent, outcome, and the model whose usage only an agent's or graph's span reports."""
_by_start, _by_end, _by_span = attrgetter("start_ns"), attrgetter("end_ns"), attrgetter("span_id")


class Columns:
    """The operations of one run.

    Args:
        limit: the most operations to keep.
    """

    __slots__ = (
        "_again",
        "_agents",
        "_ended",
        "_executions",
        "_first_chunk_ns",
        "_grounded",
        "_is_looked_at",
        "_labels",
        "_limit",
        "_packed",
        "_rows",
        "_tree",
        "_used",
        "_used_by",
        "dropped",
        "longest_prompt",
        "most_asked",
        "traits",
    )

    def __init__(self, limit: int) -> None:
        self._limit = limit * _SIZE
        self._packed = bytearray()
        self._labels: dict[Label, int] = {}
        self._used: dict[str, tuple[str, ...]] = {}
        self._grounded: dict[str, Decimal] = {}
        self._first_chunk_ns: dict[str, int] | None = None
        self.dropped = 0
        self.most_asked = self.longest_prompt = 0
        self.traits = 0
        self._forget()

    def _forget(self) -> None:
        self._is_looked_at = False
        self._agents: list[Row] | None = None
        self._ended: list[Row] | None = None
        self._rows: list[Row] | None = None
        self._tree: Tree | None = None
        self._executions: list[Execution] | None = None
        self._again: frozenset[OperationKind] | None = None
        self._used_by: dict[int, tuple[str, ...]] | None = None

    def __len__(self) -> int:
        return len(self._packed) // _SIZE

    def add(  # noqa: C901, PLR0912, PLR0915 - every operation passes here: no calls that can be spared
        self, operation: Operation, traits: int, cost_usd: float = nan, *, is_root: bool = False
    ) -> None:
        """Keep one operation, or count it as dropped beyond the limit, which does not hold for the run's root.

        Args:
            operation: it.
            traits: its traits.
            cost_usd: what it cost; not a number where that is unknown, or nothing was billed.
            is_root: whether it is the run's root.
        """
        self.traits |= traits
        packed = self._packed
        if len(packed) >= self._limit and not is_root:
            self.dropped += 1
            return
        labels = self._labels
        usage, inference = operation.usage, operation.inference
        is_request = inference is not None and not traits & AGENT and operation.kind is not _WORKFLOW
        model = "" if inference is None or is_request else inference.request_model
        place = labels.setdefault((operation.name, operation.agent, operation.outcome, model), len(labels))
        fresh = output = cached = thoughts = asked = 0
        given = head = _NONE
        uses: tuple[str, ...] | None = None
        prompt_usd = nan
        step = -1
        if usage is not None:
            fresh, output = usage.input_tokens, usage.output_tokens
            cached, thoughts = usage.cache_read_tokens, usage.reasoning_tokens
            if fresh > _MOST_TOKENS or output > _MOST_TOKENS:
                fresh, output, cached, thoughts = (min(n, _MOST_TOKENS) for n in (fresh, output, cached, thoughts))
        if traits & LONG and (cost := operation.cost) is not None and cost.input_usd is not None:
            prompt_usd = float(cost.input_usd + cost.cache_read_usd if cost.cache_read_usd else cost.input_usd)
        if inference is not None:
            if fresh > self.longest_prompt and operation.kind is _REQUEST:
                self.longest_prompt = fresh
            given = inference.request_hash or _NONE
            if inference.instructions_unknown and inference.request_hash:
                given = of_agent(given, operation.agent)
            uses = inference.uses
            if inference.prefix_hashes:
                head = inference.prefix_hashes[0]
            if inference.function_calls:
                asked = min(inference.function_calls, _MOST_ASKED)
                self.most_asked = max(self.most_asked, asked)
        elif (node := operation.node) is not None:
            given = node.state_hash or _NONE
            if node.step is not None:
                step = node.step
        elif (tool := operation.tool) is not None and not tool.no_arguments:
            given = tool.arguments_hash or _NONE
        span_id, parent_id = operation.span_id, operation.parent_id or _NONE
        try:
            ids = bytes.fromhex(span_id + parent_id + given + head)
            if len(ids) != _IDS_BYTES or len(span_id) != _ID_DIGITS:
                raise ValueError  # noqa: TRY301 - as what is no number at all
        except ValueError:  # no identities as OpenTelemetry's are
            ids = _IDS.pack(*map(int_of, (span_id, parent_id, given, head)))
        try:
            packed += _PACK(
                ids,
                operation.start_ns,
                operation.end_ns,
                cost_usd,
                prompt_usd,
                place,
                fresh,
                output,
                cached,
                thoughts,
                step,
                asked,
                traits,
                PLACES[operation.kind],
            )
        except error:  # a time or a number that no clock or model gives
            self.dropped += 1
            return
        if uses:
            self._used[span_id] = uses
        if traits & GROUNDED and cost_usd == cost_usd:  # noqa: PLR0124 - a number
            cost = operation.cost
            if cost is not None and cost.grounding_usd is not None:
                self._grounded[span_id] = cost.grounding_usd
        if traits & STREAMED and inference is not None and inference.time_to_first_chunk_ns is not None:
            if self._first_chunk_ns is None:
                self._first_chunk_ns = {}
            self._first_chunk_ns[span_id] = inference.time_to_first_chunk_ns
        if self._is_looked_at:
            self._forget()

    def rows(self) -> list[Row]:
        """The operations in order of start; of two that start together, the longer one first."""
        if self._rows is None:
            # Three sorts by one attribute each take a third of the time of one by three.
            rows = sorted(self.ended(), key=_by_span)
            rows.sort(key=_by_end, reverse=True)
            rows.sort(key=_by_start)
            self._rows = rows
        return self._rows

    def ended(self) -> list[Row]:
        """The operations in the order in which they were added."""
        if self._ended is None:
            self._is_looked_at = True
            self._ended = list(self._made(_FORMAT.iter_unpack(self._packed)))
        return self._ended

    def briefly(self) -> tuple[list[Brief], list[Label]]:
        """The operations in the order in which they were added, and the labels that they name by place."""
        return cast("list[Brief]", list(_BRIEF.iter_unpack(self._packed))), list(self._labels)

    def added_since(self, count: int) -> list[Row]:
        """The operations beyond the first so many that were added; may be asked while others are added."""
        return list(self._made(_FORMAT.iter_unpack(bytes(self._packed[count * _SIZE :]))))

    def uses_of(self, span_id: int) -> tuple[str, ...]:
        """As `used_by`, of a request of this process; may be asked while operations are added."""
        return self._used.get(span_hex(span_id), ())

    def agents(self) -> list[Row]:
        """The invocations of agents, in the order in which they were added."""
        if self._agents is None:
            self._is_looked_at = True
            every = _FORMAT.iter_unpack(self._packed)
            self._agents = (
                [row for row in self._ended if row.is_agent]
                if self._ended is not None
                else list(self._made(values for values in every if values[_TRAITS] & AGENT))
            )
        return self._agents

    def _made(self, packed: Iterable[tuple[int, ...]]) -> Iterator[Row]:
        labels = list(self._labels)
        for (
            span_id,
            parent_id,
            given,
            head,
            start_ns,
            end_ns,
            cost_usd,
            _,
            place,
            fresh,
            output,
            cached,
            thoughts,
            step,
            asked,
            traits,
            kind,
        ) in packed:
            # Tuples that are joined take less time than one into which others are unpacked.
            yield _new(
                Row,
                (span_id, parent_id, _KINDS[kind], start_ns, end_ns, cost_usd, fresh, output, cached, thoughts)
                + _TOLD[traits & _FLAGS]
                + (asked, given, head, step, traits)
                + labels[place],
            )

    def given_again(self) -> frozenset[OperationKind]:
        """The kinds of which two operations, or more, were given the same; two nodes only where they are the same node."""
        if self._again is None:
            self._is_looked_at = True
            given = [given for given, _, _ in _GIVEN.iter_unpack(self._packed) if given]
            self._again = self._find_again() if len(set(given)) < len(given) else frozenset()
        return self._again

    def _find_again(self) -> frozenset[OperationKind]:
        names: list[str] = [name for name, *_ in self._labels]
        seen: set[tuple[int, int, str]] = set()
        again: set[OperationKind] = set()
        for given, place, kind in cast("Iterable[tuple[int, int, int]]", _GIVEN.iter_unpack(self._packed)):
            if given:
                key = (given, kind, names[place] if kind == _NODE else "")
                if key in seen:
                    again.add(_KINDS[kind])
                seen.add(key)
        return frozenset(again)

    def prompts(self) -> Iterator[Prompt]:
        """The model requests with known tokens, in the order in which they were added."""
        names: list[str] = [name for name, *_ in self._labels]
        agents: list[str] = [agent for _, agent, *_ in self._labels]
        for span_id, _, _, _, start_ns, end_ns, _, paid_usd, place, tokens, *_, kind in _FORMAT.iter_unpack(
            self._packed
        ):
            if kind == _INFERENCE and tokens:
                yield Prompt(end_ns, start_ns, span_id, tokens, paid_usd, agents[place], names[place])

    def used_by(self, span_id: int) -> tuple[str, ...]:
        """The spans of earlier answers of which a piece stands in a request."""
        if self._used_by is None:
            self._is_looked_at = True
            self._used_by = {int_of(span): uses for span, uses in self._used.items()}
        return self._used_by.get(span_id, ())

    def first_chunks_ns(self) -> dict[int, int]:
        """How long the first chunk of a streamed answer took, by the request's span."""
        return {int_of(span): taken_ns for span, taken_ns in (self._first_chunk_ns or {}).items()}

    def grounded_usd(self) -> dict[int, Decimal]:
        """What grounding cost in US dollars, by the request's span."""
        return {int_of(span): usd for span, usd in self._grounded.items()}

    def tree(self, root: Operation) -> Tree:
        """What lies beneath what, until the next operation comes."""
        if self._tree is None:
            self._tree = Tree(self.rows(), root)
        return self._tree

    def executions(self, root: Operation) -> list[Execution]:
        """What ran, as a baseline tells it apart, until the next operation comes."""
        if self._executions is None:
            self._executions = executions(self.ended(), root, is_whole=not self.dropped)
        return self._executions

    def clear(self) -> None:
        """Let go of everything; it counts as dropped, since what comes after is not the whole."""
        self.dropped += len(self)
        self._packed.clear()
        self._labels.clear()
        self._used.clear()
        self._grounded.clear()
        self._first_chunk_ns = None
        self.most_asked = self.longest_prompt = 0
        self._forget()


def cost_of(operation: Operation) -> float:
    """What an operation cost in US dollars; not a number where that is unknown, or nothing was billed."""
    cost = operation.cost
    return nan if cost is None or cost.total_usd is None else float(cost.total_usd)


def known(cost_usd: float) -> float:
    """A row's cost, 0.0 where it is unknown."""
    return 0.0 if isnan(cost_usd) else cost_usd
