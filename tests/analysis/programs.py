"""Made-up programs, played through the real live pipeline at times of their own.

A program is a list of runs: graphs with branches, agents in agents, tools that repeat and fail, and
model calls whose prompts begin alike. All its times differ, but for what ends together with what it
runs in, since spans on file tell no more of their order than their times do.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, count
from random import Random
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from otel_agentperf import semconv
from otel_agentperf.live import frames, samples
from otel_agentperf.live.frames import Frame
from otel_agentperf.live.samples import Sample
from otel_agentperf.model import Inference, NodeStep, OperationKind, ToolCall, Usage
from tests.telemetry import Telemetry

BEGIN_NS = 1_780_000_000_000_000_000
MS = 1_000_000
MODELS = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite", "gemini-3-flash-preview", "who-knows-1")
TOOLS = ("search", "fetch", "click")
NODES = ("plan", "read", "write", "check")
_OPERATIONS = {
    OperationKind.WORKFLOW: (semconv.OP_INVOKE_WORKFLOW, semconv.WORKFLOW_NAME),
    OperationKind.AGENT: (semconv.OP_INVOKE_AGENT, semconv.AGENT_NAME),
    OperationKind.NODE: (semconv.OP_INVOKE_NODE, semconv.NODE_NAME),
    OperationKind.TOOL: (semconv.OP_EXECUTE_TOOL, semconv.TOOL_NAME),
    OperationKind.INFERENCE: (semconv.OP_GENERATE_CONTENT, semconv.REQUEST_MODEL),
    OperationKind.EMBEDDINGS: (semconv.OP_EMBEDDINGS, semconv.REQUEST_MODEL),
}


@dataclass
class Step:
    """One operation of a program. Times are nanoseconds from its beginning."""

    kind: OperationKind
    name: str
    start_ns: int
    end_ns: int = 0
    within: list[Step] = field(default_factory=list["Step"])
    session: str | None = None
    said: dict[str, Any] = field(default_factory=dict[str, Any])
    """What `Pipeline.close` is told, the cost aside."""


class Writer:
    """Writes one program.

    Args:
        seed: the same one gives the same program.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - made-up programs
        self._tick = count(1)
        self._pace = self._random.choice((5, 60, 900, 4_000))
        self._models = tuple(self._random.sample(MODELS, len(MODELS)))
        self._lengths = self._random.choice(((300,), (300, 3_300, 44_000), (44_000, 280_000)))
        """Of messages, in characters."""
        self._calls_to_tools = self._random.choice((0.5, 0.5, 0.05))
        self._habits = self._random.choice((1, 2, 3))
        """Of how many things it chooses: the fewer, the more it repeats itself."""

    def program(self) -> list[Step]:
        """Some runs, partly at once."""
        rnd = self._random
        runs: list[Step] = []
        start_ns = 0
        for _ in range(rnd.randint(1, 6)):
            kinds = (OperationKind.WORKFLOW,) * 3 + (OperationKind.AGENT, OperationKind.INFERENCE, OperationKind.OTHER)
            kind = rnd.choice(kinds)
            session = rnd.choice((None, "s1", "s1", "s2"))
            if kind is OperationKind.INFERENCE:
                runs.append(self._call(start_ns))
            elif kind is OperationKind.OTHER:
                runs.append(self._plain(start_ns))
            else:
                runs.append(self._outer(kind, self._one(("graph", "team", "flow")), start_ns, 0, session))
            start_ns = self._unique(rnd.choice((runs[-1].end_ns + 300 * MS, runs[-1].start_ns + 5 * MS)))
        return runs

    def _plain(self, start_ns: int) -> Step:
        """A span that is no agent work, such as a request of a service: calls, tools and agents, some at once."""
        rnd = self._random
        step = Step(OperationKind.OTHER, "main", start_ns)
        now = self._after(start_ns)
        for _ in range(rnd.randint(1, 5)):
            kind = rnd.choice(
                (OperationKind.AGENT, OperationKind.WORKFLOW, OperationKind.TOOL, OperationKind.INFERENCE)
            )
            begins_ns = self._after(now)
            if kind is OperationKind.TOOL:
                one = self._tool(begins_ns)
            elif kind is OperationKind.INFERENCE:
                one = self._call(begins_ns)
            else:
                session = rnd.choice((None, "s1", "s2"))
                one = self._outer(kind, self._one(("graph", "team", "flow")), begins_ns, 0, session)
            step.within.append(one)
            now = rnd.choice((one.end_ns, begins_ns))
        step.end_ns = self._after(max(one.end_ns for one in step.within))
        return step

    def _one(self, choices: tuple[str, ...]) -> str:
        return self._random.choice(choices[: self._habits])

    def _unique(self, ns: int) -> int:
        return ns // 10_000 * 10_000 + next(self._tick)

    def _after(self, ns: int) -> int:
        stretch = self._random.expovariate(1 / self._pace)
        return self._unique(ns + 20_000 + round(stretch * MS))

    def _outer(self, kind: OperationKind, name: str, start_ns: int, depth: int, session: str | None = None) -> Step:
        """A graph, agent or node, and what runs in it: one after another, or some at once."""
        rnd = self._random
        step = Step(kind, name, start_ns, session=session)
        now = self._after(start_ns)
        for number in range(rnd.randint(1, 7 if depth else 5)):
            last = 0
            for _ in range(rnd.choice((1, 1, 1, 3)) if not depth or kind is OperationKind.WORKFLOW else 1):
                one = self._inner(kind, self._after(now), depth, number)
                step.within.append(one)
                last = max(last, one.end_ns)
            now = self._asked_for(step, last)
        step.end_ns = now if rnd.random() < 0.5 else self._after(now)  # a node may end together with its last call
        step.said = self._ending()
        if kind is OperationKind.NODE:
            state = rnd.choice((None, f"{rnd.randint(1, self._habits):016x}"))
            if state is not None:
                step.said["state_hash"] = state
        return step

    def _inner(self, kind: OperationKind, start_ns: int, depth: int, number: int) -> Step:
        rnd = self._random
        if kind is OperationKind.WORKFLOW:
            step = self._outer(OperationKind.NODE, self._one(NODES), start_ns, depth + 1)
            step.said["step"] = number + 1
            return step
        if depth < 3 and rnd.random() < 0.12:
            inner = rnd.choice((OperationKind.AGENT, OperationKind.WORKFLOW))
            # Told by depth: an agent right in one of its name is taken for the same one, said twice.
            return self._outer(inner, f"{self._one(('helper', 'expert'))}{depth}", start_ns, depth + 1)
        return self._call(start_ns) if rnd.random() < self._calls_to_tools else self._tool(start_ns)

    def _asked_for(self, step: Step, now: int) -> int:
        """The tools that the last answer asked for, one after another or at once; when they are done."""
        inference: Inference | None = step.within[-1].said.get("inference")
        asked = inference.function_calls if inference is not None else None
        if not asked or self._random.random() < 0.3:
            return now
        at_once = self._random.random() < 0.4
        for _ in range(asked):
            one = self._tool(self._after(now))
            step.within.append(one)
            now = now if at_once else one.end_ns
        return max(one.end_ns for one in step.within)

    def _ending(self) -> dict[str, Any]:
        chance = self._random.random()
        if chance < 0.06:
            return {"error_type": "ValueError"}
        return {"outcome": self._random.choice(("interrupted", "cancelled", "cache_hit"))} if chance < 0.1 else {}

    def _tool(self, start_ns: int) -> Step:
        rnd = self._random
        arguments = rnd.choice((rnd.randint(0, self._habits), rnd.getrandbits(60)))
        failed = rnd.random() < 0.2
        result = rnd.randint(1, self._habits)
        size = rnd.choice((40, 3_000, 40_000))
        call = ToolCall(
            arguments_hash=f"{arguments:016x}",
            context_hash=f"{arguments % 3 + 1:016x}" if arguments % 2 else None,
            result_hash=None if failed or rnd.random() < 0.1 else f"{result:016x}",
            error_hash=f"{result:016x}" if failed else None,
            no_arguments=not arguments,
            result_size=None if failed else size,
            argument_is_sentence=rnd.choice((True, False, None)),
        )
        said: dict[str, Any] = {"tool": call, **({"error_type": "ToolError"} if failed else {})}
        return Step(OperationKind.TOOL, self._one(TOOLS), start_ns, self._after(start_ns), said=said)

    def _call(self, start_ns: int) -> Step:
        rnd = self._random
        end_ns = self._after(start_ns)
        model = self._one(self._models)
        if rnd.random() < 0.05:
            said = {"usage": Usage(rnd.randint(10, 500)), "inference": Inference("gcp.gemini", "gemini-embedding-001")}
            return Step(OperationKind.EMBEDDINGS, "gemini-embedding-001", start_ns, end_ns, said=said)
        links = rnd.randint(1, 12)
        chain = rnd.randint(1, self._habits)
        hashes = tuple(f"{chain << 32 | place:016x}" for place in range(links))
        sizes = tuple(accumulate([rnd.choice((600, 9_000)), *[rnd.choice(self._lengths) for _ in hashes[1:]]]))
        tokens = sizes[-1] // 4
        output = rnd.choice((12, 80, 900))
        thoughts = rnd.choice((0, 0, 40, 2_000))
        failed = rnd.random() < 0.1
        streamed = rnd.random() < 0.3
        attempts = rnd.choice((1, 1, 1, 3))
        answer = rnd.choice(("text", "text", "function_call", "empty", "blocked"))
        asked = rnd.randint(1, 6) if answer == "function_call" else 0
        inference = Inference(
            provider="gcp.gemini",
            request_model=model,
            response_model=None if failed else model,
            streamed=streamed,
            time_to_first_chunk_ns=(end_ns - start_ns) // 1000 * 900 if streamed and not failed else None,
            finish_reasons=() if failed else (rnd.choice(("stop", "stop", "stop", "max_tokens", "safety")),),
            request_hash=f"{chain << 32 | links:016x}",
            prefix_hashes=hashes,
            response_hash=None if failed else f"{rnd.randint(1, self._habits):016x}",
            response_kind=None if failed else answer,
            attempts=attempts,
            prefix_sizes=sizes,
            request_size=sizes[-1] + 20,
            function_calls=None if failed else asked,
            uses=rnd.choice((None, (), ())),
            rate_limited=attempts - 1,
            retry_wait_ns=(attempts - 1) * 1_000 * MS,
        )
        said: dict[str, Any] = {"inference": inference}
        if failed:
            said["error_type"] = "429"
        else:
            cached = rnd.choice((0, 0, tokens // 2))
            searches = rnd.choice((0, 0, 0, 1, 3))
            said["usage"] = Usage(
                tokens,
                output + thoughts,
                cache_read_tokens=cached,
                reasoning_tokens=thoughts,
                grounding_queries=searches,
            )
        return Step(OperationKind.INFERENCE, model, start_ns, end_ns, said=said)


@contextmanager
def sampled(program: list[Step], random: Random) -> Generator[None]:
    """Samples of the process throughout a program, at its times."""
    kept = samples.begin(1)
    kept.open_files_limit = 1_024
    last_ns = max((run.end_ns for run in program), default=0)
    busy, full = random.choice((20.0, 80.0)), random.choice((30.0, 80.0))
    for place in range(1, 1_500):
        kept.add(
            Sample(
                BEGIN_NS + last_ns * place // 1_500,
                busy + random.uniform(0, 20),
                random.uniform(0, 20),
                full + random.uniform(0, 20),
                10**9 + 10**6 * place + random.randint(0, 10**5),
                10 + place // 2 + random.randint(0, 3),
                random.randint(1, 100),
            )
        )
    try:
        yield
    finally:
        samples.begin(1)


def play(telemetry: Telemetry, program: list[Step]) -> None:
    """Open and close every operation in the order of its times, as instrumentations would."""
    frames_of: dict[int, Frame] = {}
    moments = sorted(
        (
            moment
            for run in program
            for step, parent, depth in _walk(run, None, 0)
            for moment in ((step.start_ns, 1, depth, step, parent), (step.end_ns, 0, -depth, step, parent))
        ),
        key=lambda moment: moment[:3],
    )
    for _, opens, _, step, parent in moments:
        if opens:
            above = frames_of[id(parent)] if parent is not None else None
            frames_of[id(step)] = _open(telemetry, step, above)
        else:
            _close(telemetry, step, frames_of[id(step)], parent)


def _walk(step: Step, parent: Step | None, depth: int) -> Iterator[tuple[Step, Step | None, int]]:
    yield step, parent, depth
    for inner in step.within:
        yield from _walk(inner, step, depth + 1)


def _open(telemetry: Telemetry, step: Step, parent: Frame | None) -> Frame:
    if step.kind is OperationKind.OTHER:
        tracer = telemetry.provider.get_tracer("app")
        other = tracer.start_span(step.name, context=Context(), start_time=BEGIN_NS + step.start_ns)
        mark = frames.mark_of(other)
        assert mark is not None
        assert mark.frame is not None
        return mark.frame
    operation, name_key = _OPERATIONS[step.kind]
    attributes: dict[str, Any] = {semconv.OPERATION_NAME: operation, name_key: step.name}
    inference: Inference | None = step.said.get("inference")
    if inference is not None:
        attributes[semconv.PROVIDER_NAME] = inference.provider
        if inference.streamed:
            attributes[semconv.REQUEST_STREAM] = True
    if "step" in step.said:
        attributes[semconv.LANGGRAPH_STEP] = step.said["step"]
    if "state_hash" in step.said:
        attributes[semconv.STATE_HASH] = step.said["state_hash"]
    start_ns = BEGIN_NS + step.start_ns
    span = telemetry.provider.get_tracer(semconv.SCOPE_API).start_span(
        f"{operation} {step.name}",
        context=frames.enter(parent, Context()) if parent is not None else Context(),
        kind=SpanKind.CLIENT if inference is not None else SpanKind.INTERNAL,
        attributes=attributes,
        start_time=start_ns,
    )
    return telemetry.pipeline.open(step.kind, step.name, span, start_ns, parent, session_id=step.session)


def _close(telemetry: Telemetry, step: Step, frame: Frame, parent: Step | None) -> None:
    if step.kind is OperationKind.OTHER:
        frame.span.end(BEGIN_NS + step.end_ns)
        return
    said = dict(step.said)
    number, state = said.pop("step", None), said.pop("state_hash", None)
    if step.kind is OperationKind.NODE:
        said["node"] = NodeStep(parent.name if parent is not None else "", number, state)
    usage: Usage | None = said.get("usage")
    inference: Inference | None = said.get("inference")
    if usage is not None and inference is not None:
        model = inference.response_model or inference.request_model
        said["cost"] = telemetry.pipeline.prices.price(inference.provider, model, usage, when_ns=frame.start_ns)
    if inference is not None and inference.attempts > 1:
        for attempt in range(2, inference.attempts + 1):
            wait_s = inference.retry_wait_ns / (inference.attempts - 1) / 1e9
            code = {semconv.HTTP_STATUS_CODE: 429} if attempt <= inference.rate_limited + 1 else {}
            frame.span.add_event(
                semconv.EVENT_ATTEMPT,
                {semconv.ATTEMPT_NUMBER: attempt, semconv.ATTEMPT_WAIT_S: wait_s, **code},
            )
    telemetry.pipeline.close(frame, {}, end_ns=BEGIN_NS + step.end_ns, **said)
