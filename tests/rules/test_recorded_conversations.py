from __future__ import annotations

import pytest

from otel_agentperf.analysis.engine import Engine
from otel_agentperf.model import Suggestion
from otel_agentperf.rules import make_rules
from tests.rules.operations import PRICES, root
from tests.rules.recorded import conversations

pytestmark = pytest.mark.recorded

RULES = make_rules({}, select=("cost", "model_choice", "failures", "LAT002"))


def said_of_each_conversation() -> dict[tuple[str, str], Suggestion]:
    engine = Engine(RULES, on_error=_fail, prices=PRICES)
    found: dict[tuple[str, str], Suggestion] = {}
    for name, operations in conversations().items():
        run = engine.begin("conversation", None, operations[0].start_ns)
        for operation in operations:
            engine.observe(run, operation)
        summary, _ = engine.finish(run, root(operations[0].start_ns, operations[-1].end_ns))
        short = name.rpartition("/")[2].removesuffix(".yaml")
        found.update({(short, suggestion.rule): suggestion for suggestion in summary.suggestions})
    return found


def _fail(site: str, error: Exception) -> None:
    raise AssertionError(site) from error


def test_of_all_recorded_conversations_only_those_with_something_to_mend_are_spoken_of() -> None:
    assert len(conversations()) >= 160
    said = said_of_each_conversation()
    assert {key: suggestion.evidence.get("calls") for key, suggestion in said.items()} == {
        ("test_tool_search_eval[google]", "COST002"): 10,
        ("test_google_deferred_capability_announcement_live", "COST002"): 3,
        ("test_cross_provider_capability_replay[google-gemini-3-flash-preview-openai-responses-gpt-5.4]", "COST002"): 3,
        ("test_google_model_retry", "COST002"): 3,
        ("test_google_model_safety_settings", "COST005"): 1,
        ("test_google_model_max_tokens_thinking_model_empty_response", "COST005"): 1,
        ("test_google_image_generation_with_web_search", "COST001"): None,
    }
