"""Runs made by hand, for reports on them."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from functools import partial

import msgspec

from otel_agentperf.analysis.breakdown import Breakdown
from otel_agentperf.analysis.engine import Engine
from otel_agentperf.analysis.figures import DEFAULT_THRESHOLD
from otel_agentperf.analysis.itemize import breakdown_of
from otel_agentperf.analysis.ledger import session_summary
from otel_agentperf.analysis.summary import RunSummary
from otel_agentperf.model import (
    Complexity,
    Cost,
    CostStatus,
    Inference,
    Level,
    Operation,
    OperationKind,
    SavingBasis,
    Savings,
    Suggestion,
    ToolCall,
    Usage,
)
from otel_agentperf.reading import TracedRun, runs_of
from otel_agentperf.reading.judge import observe
from otel_agentperf.report import RunReport, report_on
from otel_agentperf.report.collection import By, Collector, ReportSet
from otel_agentperf.report.session import SessionReport, session_report
from otel_agentperf.rules import make_rules
from tests.reading.spans import at

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
RULES = ("COST001", "LAT001", "REP001")
"""So that a new rule changes no report here."""
UNKNOWN = Cost(CostStatus.UNPRICED, reason="no price is known for my-tuned-model")


class Story:
    """Operations of one run, each beneath another, at times in seconds."""

    def __init__(
        self, graph: str = "recording_graph", end: float = 10, session: str | None = "rec-17", trace_id: str = TRACE
    ) -> None:
        self.operations: list[Operation] = []
        self.trace_id = trace_id
        self.root = self.add(OperationKind.WORKFLOW, graph, None, 0, end, session_id=session)

    def add(self, kind: OperationKind, name: str, parent: str | None, start: float, end: float, **facts: object) -> str:
        span_id = f"{len(self.operations) + 1:016x}"
        operation = Operation(
            kind,
            name,
            span_id,
            at(start * 1000),
            at(end * 1000),
            parent,
            self.trace_id,
            **facts,  # pyright: ignore[reportArgumentType]
        )
        self.operations.append(operation)
        return span_id

    def node(self, name: str, start: float, end: float, parent: str | None = None, **facts: object) -> str:
        return self.add(OperationKind.NODE, name, parent or self.root, start, end, **facts)

    def model(
        self,
        name: str,
        parent: str,
        start: float,
        end: float,
        usd: str | None = "0.000585",
        tokens: tuple[int, int] = (1200, 90),
        **facts: object,
    ) -> str:
        cost = UNKNOWN if usd is None else Cost(CostStatus.PRICED, Decimal(usd))
        return self.add(
            OperationKind.INFERENCE,
            name,
            parent,
            start,
            end,
            usage=Usage(*tokens),
            cost=cost,
            inference=Inference("gcp.gemini", name),
            **facts,
        )

    def tool(self, name: str, parent: str, start: float, end: float, **facts: object) -> str:
        call = ToolCall(arguments_hash="0" * 16, result_hash="0" * 16)
        return self.add(OperationKind.TOOL, name, parent, start, end, tool=call, **facts)

    def run(self) -> TracedRun:
        """The operations as one run."""
        (run,) = runs_of(self.operations)
        return run

    def summary(self) -> RunSummary:
        """What three rules say of it."""
        return observe(Engine(make_rules({}, RULES)), self.run())

    def report(self, *, root_seen: bool = True) -> RunReport:
        """The report on it."""
        run = self.run()
        return report_on(run.root, run.operations, self.summary(), root_seen=root_seen)


def recording() -> Story:
    """The four-agent workflow in short: a loop, a slow agent, a dear call, an unknown price."""
    story = Story(end=34.21)
    agent = story.node("orchestrator", 0, 1.2)
    story.model("gemini-2.5-flash", agent, 0.01, 1.19)
    agent = story.node("web_agent", 1.2, 14)
    story.add(OperationKind.SERVICE, "steel_browser", agent, 1.2, 14, cost=Cost(CostStatus.PRICED, Decimal("0.000213")))
    story.model("gemini-2.5-flash", agent, 1.21, 2)
    for call in range(6):
        story.tool("click", agent, 2 + call / 2, 2.4 + call / 2)
    story.tool("read_page", agent, 7, 7.1, error_type="TimeoutError")
    for start, usd in ((14, None), (20, "0.01")):
        agent = story.node("observer", start, start + 5.6)
        story.model("my-tuned-model", agent, start + 0.01, start + 5.5, usd, (30_000, 2_000))
    agent = story.node("sequence_generator", 26, 34.2)
    story.model("gemini-2.5-pro", agent, 26.01, 34.1, "0.1377675", (45_230, 8_123))
    return story


def large(branches: int = 12) -> Story:
    """Some 200 operations: parallel branches, names of every kind, errors, calls without a price or a cost."""
    names = [
        "planner",
        "a_node_whose_name_goes_on_and_on_because_somebody_generated_it_from_a_sentence_v2",
        "وكيل البحث في الويب",
        "סוכן הזמנות",
        "研究エージェント・日本語",
        "👩🏽‍🚀 crew 🛰️",
        "<script>alert('node')</script>",
        'a&b "quoted" {{ 7*7 }} ${x}',
        "\u202egnol\x1b[31m\nnew line",
    ]
    story = Story("quarterly_research_graph", end=95, session="customer-4711")
    for branch in range(branches):
        start = 1 + branch % 4 * 0.7 + branch // 4 * 30
        agent = story.node(names[branch % len(names)], start, start + 18 + branch * 0.9)
        for turn in range(4):
            at_s = start + 0.2 + turn * 4.3
            model = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite", "my-tuned-model")[
                (branch + turn) % 4
            ]
            usd = {"gemini-2.5-pro": "0.0312", "gemini-2.5-flash": "0.00187", "gemini-2.5-flash-lite": "0"}.get(model)
            story.model(model, agent, at_s, at_s + 2.1, usd, (9000 + turn * 4000, 600))
            for call in range(3):
                failed = {"error_type": "TimeoutError"} if call == 2 and branch % 3 == 0 else {}
                story.tool(
                    ("fetch_page", "click", "read_table")[call],
                    agent,
                    at_s + 2.2 + call * 0.6,
                    at_s + 2.7 + call * 0.6,
                    **failed,
                )
        story.add(
            OperationKind.SERVICE,
            "steel_browser",
            agent,
            start,
            start + 18,
            cost=Cost(CostStatus.PRICED, Decimal("0.0003")),
        )
    return story


def collected(number: int = 12, by: By = By.RUN, top: int = 3) -> ReportSet:
    """The report on that many runs of four sessions, each dearer and longer than the one before."""
    collector = Collector(top)
    engine = Engine(make_rules({}, RULES))
    sessions: dict[str, Breakdown] = defaultdict(Breakdown)
    for place in range(number):
        story = Story(f"graph_{place}", end=place + 1, session=f"s{place % 4}", trace_id=f"{place + 1:032x}")
        agent = story.node("writer", 0, place + 1)
        story.model("gemini-2.5-pro", agent, 0, place + 0.5, f"0.0{place + 10}")
        run = story.run()
        summary = observe(engine, run)
        collector.add(breakdown_of(summary), summary, run.root, partial(report_on, run.root, run.operations, summary))
        sessions[f"s{place % 4}"].merge(breakdown_of(summary))
    summaries = [session_summary(session_id, whole, (), ()) for session_id, whole in sessions.items()]
    return collector.report("traces/*.jsonl", by=by, sessions=summaries, notes=("2 lines could not be read.",))


def gathered(*stories: Story) -> ReportSet:
    """The report on these runs."""
    collector = Collector(3)
    for story in stories:
        run, summary = story.run(), story.summary()
        collector.add(breakdown_of(summary), summary, run.root, partial(report_on, run.root, run.operations, summary))
    return collector.report("traces.jsonl", by=By.RUN, sessions=(), notes=())


def a_suggestion(rule: str, level: Level, impact: float, agent: str = "writer") -> Suggestion:
    """A suggestion that saves as many seconds as ten times its impact."""
    savings = Savings(SavingBasis.ESTIMATED, round(10 * impact, 3))
    return Suggestion(
        rule, "t", level, f"{rule} found it.", impact, Complexity.LOW, 1.0, (f"agent:{agent}",), savings=savings
    )


def suggesting(*suggestions: Suggestion, threshold: float = DEFAULT_THRESHOLD) -> RunReport:
    """The report on a run of which this was said."""
    story = recording()
    run = story.run()
    summary = msgspec.structs.replace(story.summary(), suggestions=suggestions)
    return report_on(run.root, run.operations, summary, threshold=threshold)


def a_session() -> SessionReport:
    """The report on a session of two runs in a live engine, one of them still open."""
    engine = Engine(make_rules({}, RULES))
    for story in (recording(), large()):
        story.operations = [msgspec.structs.replace(operation, session_id="rec-17") for operation in story.operations]
        observe(engine, story.run())
    engine.begin("open", "rec-17", at(0))
    found = engine.session("rec-17")
    assert found is not None
    return session_report(found)
