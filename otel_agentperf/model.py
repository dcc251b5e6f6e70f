"""The facts that pass between the layers: an operation, its usage and cost, a suggestion.

Everything here is immutable and knows nothing of OpenTelemetry. `msgspec.Struct` stands
where a frozen dataclass would: it is built in C, which matters on a path that every model
request takes. What an operation is made of is written as arrays where it is encoded, which
only replay does, between its rounds.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

ZERO_USD = Decimal(0)


class OperationKind(StrEnum):
    """What a unit of agent work is."""

    # Enum hashes in Python; these are looked up several times for every operation.
    __hash__ = str.__hash__

    WORKFLOW = "workflow"
    AGENT = "agent"
    NODE = "node"
    INFERENCE = "inference"
    EMBEDDINGS = "embeddings"
    TOOL = "tool"
    RETRIEVAL = "retrieval"
    SERVICE = "service"
    OTHER = "other"


BILLED_BY_TOKEN = frozenset({OperationKind.INFERENCE, OperationKind.EMBEDDINGS})


class Modality(StrEnum):
    """The kinds of token that Gemini counts and prices apart."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"


class ServiceTier(StrEnum):
    """The tier that a response says it was served on; it decides the price."""

    __hash__ = str.__hash__  # as above

    STANDARD = "standard"
    FLEX = "flex"
    BATCH = "batch"
    PRIORITY = "priority"
    PROVISIONED = "provisioned_throughput"
    OTHER = "other"
    """A tier whose price is not known here; what it served stays unpriced."""


class ModalityTokens(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Tokens by modality; absent modalities are 0. A subset of the total they belong to."""

    text: int = 0
    image: int = 0
    audio: int = 0
    video: int = 0
    document: int = 0


class Usage(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What one model request consumed, in tokens, by the rules of the GenAI conventions.

    `input_tokens` includes cached and tool-use tokens, `output_tokens` includes reasoning
    tokens; every other field is a subset of one of the two and is never added to it.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0
    tool_use_tokens: int = 0
    input_modalities: ModalityTokens | None = None
    cache_modalities: ModalityTokens | None = None
    output_modalities: ModalityTokens | None = None
    grounding_queries: int = 0
    """Web searches that the model made for this answer."""
    maps_queries: int = 0
    """Google Maps queries, at least 1 where the answer was grounded with Google Maps."""
    search_context_tokens: int = 0
    """The part of `tool_use_tokens` that Google Search retrieved: it counts as input and is not billed."""
    cache_write_tokens: int = 0
    """The part of the input that was written to a cache."""
    cache_write_1h_tokens: int = 0
    """The part of `cache_write_tokens` that is kept for an hour."""
    images: int = 0
    """Images that the answer has, or songs where the model makes songs; they decide the price where it is sold by them."""
    media_s: float = 0.0
    """Seconds of video or audio that were generated, where the model is sold by the second."""
    assumption: str | None = None
    """What these counts rest on where the response does not state them, for people; the cost is then estimated."""
    enterprise_queries: int = 0
    """Queries of Web Grounding for Enterprise, which Vertex AI sells beside Google Search; not in `grounding_queries`."""
    media_resolution: str = ""
    """Resolution of the video where it decides the price: `720p`, `1080p` or `4k`; empty where it is unknown."""


class CostStatus(StrEnum):
    """Whether a price was known."""

    __hash__ = str.__hash__  # as above

    PRICED = "priced"
    UNPRICED = "unpriced"


class Cost(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What one operation cost, in US dollars. `None` is unknown and is never 0.

    `total_usd` is the sum of `input_usd`, `cache_read_usd`, `cache_write_usd`, `output_usd`, `grounding_usd` and
    `storage_usd`. `input_usd` is what fresh (uncached) input cost.
    """

    status: CostStatus
    total_usd: Decimal | None = None
    input_usd: Decimal | None = None
    cache_read_usd: Decimal | None = None
    output_usd: Decimal | None = None
    grounding_usd: Decimal | None = None
    tier: ServiceTier = ServiceTier.STANDARD
    reason: str | None = None
    """Why the price is unknown, for people."""
    estimated: bool = False
    reasoning_usd: Decimal | None = None
    """The part of `output_usd` that reasoning cost."""
    cache_write_usd: Decimal | None = None
    storage_usd: Decimal | None = None
    """What keeping a context cache costs."""
    assumption: str | None = None
    """What an estimated cost rests on, in one phrase for people."""


class ToolCall(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Fingerprints of one tool execution: 16 hex digits each, comparable under one key only."""

    arguments_hash: str | None = None
    context_hash: str | None = None
    """Hash of the arguments with each text in words taken for what it asks; present where there is one."""
    result_hash: str | None = None
    error_hash: str | None = None
    no_arguments: bool = False
    result_size: int | None = None
    """Characters of the result."""
    argument_is_sentence: bool | None = None
    """Whether an argument is a sentence; `None` where that is not known, as on spans of version 0.1."""


class Inference(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is known of one model request beside its usage."""

    provider: str = ""
    request_model: str = ""
    response_model: str | None = None
    streamed: bool = False
    time_to_first_chunk_ns: int | None = None
    finish_reasons: tuple[str, ...] = ()
    request_hash: str | None = None
    prefix_hashes: tuple[str, ...] = ()
    response_hash: str | None = None
    response_kind: str | None = None
    """`text`, `function_call`, `mixed`, `media`, `blocked` or `empty`."""
    attempts: int = 1
    prefix_sizes: tuple[int, ...] = ()
    """Characters of the canonical request up to and including each link of `prefix_hashes`."""
    request_size: int | None = None
    """Characters of the whole canonical request."""
    function_calls: int | None = None
    """Function calls that the answer asks for."""
    uses: tuple[str, ...] | None = None
    """Spans of earlier answers of the same run of which a piece stands in this request; `None` is unknown."""
    rate_limited: int = 0
    """HTTP attempts that were answered 429."""
    retry_wait_ns: int = 0
    """Waits between the HTTP attempts."""
    location: str = ""
    """The region of the endpoint, such as `us-central1` or `global`; empty where it is unknown or there is none."""
    tier: ServiceTier = ServiceTier.STANDARD
    """The tier that another instrumentation reports; it decides the price where the span has no cost yet."""
    instructions_unknown: bool = False
    """The fingerprints were made from messages that another instrumentation recorded without the instructions."""


class NodeStep(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where in its graph a node ran."""

    graph: str = ""
    step: int | None = None
    state_hash: str | None = None
    attempts: int = 1


class Resources(msgspec.Struct, frozen=True, gc=False):
    """What the host (or the container) and the process used while an operation ran, by samples taken meanwhile.

    Only samples that lie within the operation count, and of the CPU only spans between two of
    them, so an operation shorter than that has none. Shares are of all cores and all memory of the
    host, or of what the container may use. Several operations that ran at once have the same ones.
    """

    samples: int = 0
    """Samples within it."""
    cpu_samples: int = 0
    """Spans between samples within it."""
    cpu_percent: float | None = None
    """Average of what was in use, by whomever."""
    cpu_percent_max: float | None = None
    cpu_percent_delta: float | None = None
    """The last span's less the first one's."""
    own_cpu_percent: float | None = None
    """The average part of it that this process used."""
    cpu_spikes: int = 0
    """Spans above 80 %."""
    memory_percent: float | None = None
    """Average of what was in use, by whomever."""
    memory_percent_max: float | None = None
    memory_percent_delta: float | None = None
    memory_spikes: int = 0
    """Samples above 85 %."""
    memory_bytes: int | None = None
    """What the process held in physical memory at the last sample."""
    memory_bytes_delta: int | None = None
    open_files: int | None = None
    """Descriptors of the process at the last sample."""
    open_files_delta: int | None = None
    open_files_limit: int | None = None
    """How many the process may have."""
    threads: int | None = None
    threads_delta: int | None = None
    blocked_ns: int = 0
    """How long code of this operation kept an event loop from going on, in stretches of 0.1 s or more."""
    blocked_max_ns: int = 0
    """The longest such stretch."""


class Operation(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One finished unit of agent work. Times are Unix nanoseconds."""

    kind: OperationKind
    name: str
    span_id: str
    start_ns: int
    end_ns: int
    parent_id: str | None = None
    trace_id: str = ""
    agent: str = ""
    """The agent it ran for: the innermost `invoke_agent`, else the top-level node."""
    error_type: str | None = None
    outcome: str | None = None
    """How it ended where that is no error: `interrupted`, `cancelled`, `cache_hit`, `abandoned`, ..."""
    usage: Usage | None = None
    cost: Cost | None = None
    inference: Inference | None = None
    tool: ToolCall | None = None
    node: NodeStep | None = None
    is_agent: bool = False
    """True for an `invoke_agent` operation and for a top-level node of a graph."""
    session_id: str | None = None
    counted: bool = True
    """False where another span reports the same work."""
    scope: str = ""
    """The instrumentation that reported it, where it is not ours; begins with `?` where its name is not known."""
    resources: Resources | None = None
    error_beneath: bool = False
    """Whether its error is that of an operation beneath it, where it is counted."""

    @property
    def duration_ns(self) -> int:
        """Wall time, never negative."""
        return max(0, self.end_ns - self.start_ns)


class Level(StrEnum):
    """How loudly a suggestion speaks."""

    NOTICE = "notice"
    ALARM = "alarm"


class Complexity(StrEnum):
    """How much work following a suggestion is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class SavingBasis(StrEnum):
    """What a saving rests on."""

    MEASURED = "measured"
    """Time or money already spent twice."""
    REPRICED = "repriced"
    """The same tokens at another price."""
    ESTIMATED = "estimated"
    """A stated formula."""


class Extent(StrEnum):
    """What the numbers of a suggestion are about."""

    RUN = "run"
    SESSION = "session"
    """The runs of the session so far."""
    PROCESS = "process"
    """The runs of the service so far."""


class Savings(msgspec.Struct, frozen=True, gc=False):
    """What following a suggestion would have saved. Seconds and US dollars."""

    basis: SavingBasis
    time_s: float | None = None
    cost_usd: Decimal | None = None


class Claim(msgspec.Struct, frozen=True, gc=False):
    """Money on one span, and a stretch of wall time, that a suggestion says could be saved.

    Never exported: claims only keep two suggestions from counting the same saving twice.
    """

    span_id: str
    cost_usd: Decimal = ZERO_USD
    start_ns: int = 0
    end_ns: int = 0


MAX_CLAIMS = 128
"""Claims of one suggestion; the largest are kept, so that the total errs towards too little."""


class Suggestion(msgspec.Struct, frozen=True):
    """One finding of one rule about one target, with its evidence in numbers."""

    rule: str
    type: str
    level: Level
    description: str
    impact_score: float
    complexity: Complexity
    confidence: float
    applies_to: tuple[str, ...]
    """Targets as `kind:name`; the first one, with the rule, is the suggestion's identity."""
    span_ids: tuple[str, ...] = ()
    evidence: dict[str, float | int] = {}
    savings: Savings | None = None
    claims: tuple[Claim, ...] = ()
    extent: Extent = Extent.RUN
    """Set by the engine: rules leave it alone."""

    @property
    def rank(self) -> tuple[bool, float, tuple[str, str]]:
        """Its place among others: alarms first, then those with the most impact."""
        return (self.level is not Level.ALARM, -self.impact_score, self.key)

    @property
    def key(self) -> tuple[str, str]:
        """What makes two suggestions the same one, said again."""
        return (self.rule, self.applies_to[0])


class Totals(msgspec.Struct, gc=False):
    """Sums over the billed work of a run, session or node. Mutable: the engine adds to it.

    Of `cost_usd` each part is summed but fresh input, which is what remains: one addition less for every request.
    """

    cost_usd: Decimal = ZERO_USD
    cache_read_usd: Decimal = ZERO_USD
    """The part of it that cached input took."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0
    inference_calls: int = 0
    embedding_calls: int = 0
    tool_calls: int = 0
    service_calls: int = 0
    unpriced_calls: int = 0
    errors: int = 0
    """An exception that ended several operations is one: it counts at the deepest of them."""
    operations: int = 0
    output_usd: Decimal = ZERO_USD
    """Output, with reasoning."""
    reasoning_usd: Decimal = ZERO_USD
    """The part of `output_usd` that reasoning took."""
    reasoning_unknown: int = 0
    """Calls whose reasoning is in `output_usd` and, its price being unknown, not in `reasoning_usd`."""
    grounding_usd: Decimal = ZERO_USD
    cache_write_usd: Decimal = ZERO_USD
    storage_usd: Decimal = ZERO_USD
    services_usd: Decimal = ZERO_USD
    """Billed services whose cost has no parts."""
    unsplit_usd: Decimal = ZERO_USD
    """Other work whose cost is known as one total only."""
    estimated_usd: Decimal = ZERO_USD
    """The part of `cost_usd`, of whatever kind, that rests on an assumption."""
    assumptions: tuple[str, ...] = ()
    """What it rests on: the first `MAX_ASSUMPTIONS` phrases of the alphabet, so that the order of runs does not matter."""
    priced_calls: int = 0
    """Billed operations whose price is known."""
    reported: int = 0
    """Agents and graphs of which only their own span reports usage, for requests that have no span."""

    @property
    def billed_calls(self) -> int:
        """Requests, services and reports of usage: all that may have a price."""
        return self.inference_calls + self.embedding_calls + self.service_calls + self.reported

    @property
    def known_cost_usd(self) -> Decimal | None:
        """The cost in US dollars as far as prices are known, or `None` where none is."""
        return self.cost_usd if self.priced_calls else None

    def merge(self, other: Totals) -> None:
        """Add other sums to these. Written out: replay does it for every run, several times."""
        self.cost_usd += other.cost_usd
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cache_read_tokens += other.cache_read_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.inference_calls += other.inference_calls
        self.embedding_calls += other.embedding_calls
        self.tool_calls += other.tool_calls
        self.service_calls += other.service_calls
        self.unpriced_calls += other.unpriced_calls
        self.errors += other.errors
        self.operations += other.operations
        self.priced_calls += other.priced_calls
        self.reported += other.reported
        self.output_usd += other.output_usd
        self.reasoning_unknown += other.reasoning_unknown
        if other.cache_read_usd:
            self.cache_read_usd += other.cache_read_usd
        if other.reasoning_usd:
            self.reasoning_usd += other.reasoning_usd
        if other.grounding_usd:
            self.grounding_usd += other.grounding_usd
        if other.cache_write_usd:
            self.cache_write_usd += other.cache_write_usd
        if other.storage_usd:
            self.storage_usd += other.storage_usd
        if other.services_usd:
            self.services_usd += other.services_usd
        if other.unsplit_usd:
            self.unsplit_usd += other.unsplit_usd
        if other.estimated_usd:
            self.estimated_usd += other.estimated_usd
            self.add_assumptions(*other.assumptions)

    def add_assumptions(self, *assumptions: str) -> None:
        """Add what an estimated cost rests on; what is added again, or beyond the bound, changes nothing."""
        if not set(assumptions) <= set(self.assumptions):
            self.assumptions = tuple(sorted({*self.assumptions, *assumptions})[:MAX_ASSUMPTIONS])


MAX_ASSUMPTIONS = 4
"""Assumptions behind estimated costs that sums remember."""
