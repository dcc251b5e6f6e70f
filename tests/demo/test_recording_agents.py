from __future__ import annotations

import ast
import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from otel_agentperf.demo import recording_agents
from otel_agentperf.demo.recording_agents import RemoteBrowser, connect, record
from otel_agentperf.demo.script import STORY, RecordingScript
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import Call, GeminiRequest, Reply

FOLDER = Path(recording_agents.__file__).parent
SPEED = 1000


class Witness:
    """The script, with its replies kept."""

    def __init__(self) -> None:
        self.replies: list[tuple[GeminiRequest, Reply]] = []
        self._script = RecordingScript()

    def __call__(self, request: GeminiRequest, /) -> Reply:
        reply = self._script(request)
        self.replies.append((request, reply))
        return reply


class Session:
    """One session of the program against the script."""

    def __init__(self, url: str, witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", url)
        monkeypatch.setenv("GOOGLE_API_KEY", "loopback")
        self.told: list[str] = []
        self.recordings = record(connect(retry_delay_s=0.001), RemoteBrowser(latency_s=0), self.told.append)
        self.replies = witness.replies


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    witness = Witness()
    with GeminiServer(witness, speed=SPEED) as server:
        yield Session(server.base_url, witness, monkeypatch)


def test_two_tasks_are_recorded_in_the_same_way_each_time(session: Session) -> None:
    assert len(session.recordings) == len(recording_agents.TASKS) == 2
    assert session.recordings == [line.parts[0]["text"] for line in STORY["sequence_generator"]]


def test_each_agent_asks_its_model_as_often_as_its_story_has_lines(session: Session) -> None:
    asked = Counter(request.model for request, reply in session.replies if reply.status == 200)

    assert asked == {
        recording_agents.PRO: len(STORY["orchestrator"]) + len(STORY["sequence_generator"]),
        recording_agents.FLASH_LITE: len(STORY["web_agent"]),
        recording_agents.FLASH: len(STORY["observer"]),
        recording_agents.EMBEDDING: 2,
    }


def test_one_request_is_refused_once_and_tried_again(session: Session) -> None:
    statuses = [reply.status for _, reply in session.replies]

    assert Counter(statuses) == {200: 30, 429: 1}


def test_the_web_agent_clicks_one_button_five_times_in_vain(session: Session) -> None:
    steps = [line.partition("-> ")[2] for line in session.told if line.startswith("web_agent")]

    assert Counter(steps)["Clicked 'Show invoices'. The page did not change."] == 5


def test_the_observer_is_slow_at_normal_speed() -> None:
    waits = [line.latency_s + line.between_s * (len(line.parts) - 1) for line in STORY["observer"]]

    assert sum(waits) / len(waits) > 5


def test_all_waits_together_stay_bearable() -> None:
    lines = [line for story in STORY.values() for line in story]

    assert sum(line.latency_s + line.between_s * (len(line.parts) - 1) for line in lines) < 30


def test_the_session_costs_more_than_ten_cents_by_published_prices(session: Session) -> None:
    assert Decimal("0.10") < sum(_cost(request, reply) for request, reply in session.replies) < Decimal("0.50")


def test_the_program_imports_nothing_of_ours_and_no_telemetry() -> None:
    tree = ast.parse(Path(recording_agents.__file__).read_text(encoding="utf-8"))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}

    assert not [name for name in imported if "otel" in name or "opentelemetry" in name]


def test_the_settings_bill_the_browser_by_the_minute_of_the_web_agent() -> None:
    settings = tomllib.loads((FOLDER / "settings.toml").read_text(encoding="utf-8"))

    assert settings["prices"]["services"]["steel_browser"] == {"per_minute_usd": 0.001, "nodes": ["web_agent"]}


def test_a_stranger_to_the_script_gets_the_fixed_answer() -> None:
    request = GeminiRequest(1, "POST", "/", call=Call.COUNT)

    assert RecordingScript()(request).body == {"totalTokens": 10}


def _cost(request: GeminiRequest, reply: Reply) -> Decimal:
    body: Any = reply.body if reply.events is None else json.loads(reply.events[-1].removeprefix("data: "))
    usage: dict[str, int] = body.get("usageMetadata", {})
    tokens = Usage(
        input_tokens=usage.get("promptTokenCount", 0),
        cache_read_tokens=usage.get("cachedContentTokenCount", 0),
        output_tokens=usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0),
    )
    return calc_price(tokens, request.model, provider_id="google").total_price
