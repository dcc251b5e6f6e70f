"""The four agents, asking before each step what to do, and doing it: what a user would write to follow the advice."""

# pyright: basic
# langgraph and google-genai are typed too loosely for strict.

from __future__ import annotations

from typing import Any

from google.genai import types
from langchain_core.runnables.config import ContextThreadPoolExecutor

import otel_agentperf
from tests.benchmarks.loop.team import Recording, Team

LEAST_TIMEOUT_S = 10.0
"""Gemini refuses a shorter one."""
ACTIONS = {"orchestrator": "plan", "web_agent": "click", "observer": "analyze", "sequence_generator": "write"}


class AdvisedTeam(Team):
    """The advised model and timeout at each request; what the observer looks at, at once where that is advised."""

    def ask(self, step: str, prompt: str) -> str:
        """Ask the model that is advised, and wait as long as is advised."""
        advice = otel_agentperf.advise(ACTIONS[step], models=self.allowed)
        timeout_s = max(LEAST_TIMEOUT_S, advice.timeout_s.value or 60.0)
        response = self.client.models.generate_content(
            model=advice.model.value or self.models[step],
            contents=prompt,
            config=types.GenerateContentConfig(
                system_instruction=f"You are the {step}.",
                http_options=types.HttpOptions(timeout=round(timeout_s * 1000)),
            ),
        )
        return response.text or ""

    def observer(self, state: Recording) -> dict[str, Any]:
        """Look at the page, at all regions at once where nothing speaks against it."""
        advice = otel_agentperf.advise("analyze", pending=dict.fromkeys(self.regions, ()))
        seen: list[str] = []
        with ContextThreadPoolExecutor() as pool:
            for batch in advice.parallel.value or [(region,) for region in self.regions]:
                seen.extend(pool.map(self.look, batch))
        return {"seen": "\n".join(seen)}
