"""What happens outside the program: the web task, and the models that answer for it.

A `World` is one run's. It plays the browser, and answers the requests of the four agents as a model of
that name would by `model.toml`: good or bad, sooner or later. What each request took and cost stands in
the ledger, priced with genai-prices and not with our own code.
"""

from __future__ import annotations

import json
import math
import re
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache

import genai_prices

from otel_agentperf.demo import replies
from otel_agentperf.demo.wire import GeminiRequest, Reply
from tests.benchmarks.loop.draws import Draws
from tests.benchmarks.loop.model import Model, Scenario

_AGENT = re.compile(r"You are the (\w+)")
_REGION = re.compile(r"the region '(\w+)'")
TIMEOUT_HEADER = "x-client-timeout"
TIMED_OUT = 599
"""How the world tells the client that its patience was over; see `waiting`."""
SHORT_PROMPT = 100_000
"""Tokens below every surcharge for long prompts, as all prompts here are."""
NOTHING = "The page did not change."


@dataclass(frozen=True, slots=True)
class Billed:
    """A request as Google would bill it."""

    step: str
    model: str
    input_tokens: int
    output_tokens: int
    took_s: float
    timed_out: bool
    good: bool

    @property
    def cost_usd(self) -> float:
        """US dollars, of the answers that nobody waited for as well."""
        per_input, per_output = rates(self.model)
        return self.input_tokens * per_input + self.output_tokens * per_output


@cache
def rates(model: str) -> tuple[float, float]:
    """US dollars for a token in and out, as genai-prices has them today."""
    asked = genai_prices.Usage(input_tokens=SHORT_PROMPT, output_tokens=SHORT_PROMPT)
    price = genai_prices.calc_price(asked, model, provider_id="google")
    return float(Decimal(price.input_price) / SHORT_PROMPT), float(Decimal(price.output_price) / SHORT_PROMPT)


@dataclass(slots=True)
class World:
    """One run of the task; `drifted` once what the scenario says has changed."""

    model: Model
    scenario: Scenario
    draws: Draws
    drifted: bool = False
    ledger: list[Billed] = field(default_factory=list[Billed])
    done: int = 0
    misled: bool = False
    lost: bool = False
    looked_in_vain: int = 0
    recorded: bool = False
    """Whether the recording that was written is right."""
    _visits: dict[str, int] = field(default_factory=dict[str, int])
    _attempts: dict[str, int] = field(default_factory=dict[str, int])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def runs_away(self) -> bool:
        """Whether this run's page reacts to nothing."""
        share = self.model.runaway.probability if self.scenario.runaway is None else self.scenario.runaway
        return self.draws.uniform("runaway") < share

    # -- the browser -------------------------------------------------------------------------

    def click(self, label: str) -> str:
        """Do what the web agent chose, and say what came of it."""
        stuck = self.runs_away and self.done >= self.model.task.actions // 2
        if label != "right" or self.misled or stuck:
            self.looked_in_vain += self.misled
            self.misled = False
            return NOTHING
        self.done += 1
        return f"Step {self.done} is done."

    # -- the models --------------------------------------------------------------------------

    def __call__(self, request: GeminiRequest, /) -> Reply:
        """Answer as the model that is asked."""
        found = _AGENT.match(request.system_instruction)
        if found is None or found[1] not in self.model.steps:
            return replies.error(400, "no such agent")
        least_s = self.model.api.least_timeout_s
        if float(request.headers.get("x-server-timeout", "inf")) < least_s:
            return replies.error(400, f"The deadline is too short. Minimum allowed deadline is {least_s:g}s.")
        step = found[1]
        region = _REGION.search(request.text)
        return self._reply(request, step, f"{step}/{region[1]}" if region else step)

    def _reply(self, request: GeminiRequest, step: str, who: str) -> Reply:
        with self._lock:
            visit, attempt = self._visits.get(who, 0), self._attempts.get(who, 0)
            what = (who, visit, attempt)
            tokens = self._tokens(step, request.model, what)
            took_s = self._latency_s(request.model, tokens.candidates, what)
            patience_s = float(request.headers.get(TIMEOUT_HEADER, "inf"))
            timed_out = took_s > patience_s
            share = self.model.good_at(self.scenario, step, request.model, drifted=self.drifted)
            good = self.draws.uniform("good", who, visit) < share
            took_s = min(took_s, patience_s)
            self.ledger.append(
                Billed(step, request.model, tokens.prompt, tokens.candidates, took_s, timed_out, good and not timed_out)
            )
            if timed_out:
                self._attempts[who] = attempt + 1
                return replies.error(TIMED_OUT, latency_s=took_s)
            self._visits[who], self._attempts[who] = visit + 1, 0
            said = getattr(self, f"_{step}")(request, visit, good)
        return replies.content(request, replies.text(said), tokens, latency_s=took_s)

    def _tokens(self, step: str, model: str, what: tuple[str, int, int]) -> replies.Tokens:
        facts = self.model.steps[step]
        kind = facts.lite_output if "lite" in model else facts.flash_output if "flash" in model else 1.0
        output = facts.output * kind * math.exp(facts.spread * self.draws.normal("output", *what))
        turns = self._visits.get("orchestrator", 0)
        return replies.Tokens(prompt=facts.input + facts.input_per_turn * turns, candidates=max(1, round(output)))

    def _latency_s(self, model: str, output_tokens: int, what: tuple[str, int, int]) -> float:
        facts = self.model.models[model]
        took_s = facts.base_s + facts.per_output_token_s * output_tokens
        took_s *= math.exp(facts.sigma * self.draws.normal("latency", *what))
        drift = self.scenario.drift
        if self.drifted and drift is not None and drift.model == model:
            took_s *= drift.slower
        if self.draws.uniform("hang", *what) < facts.hang_probability:
            took_s += facts.hang_s
        return took_s

    def _looks(self) -> int:
        looked = min(self._visits.get(f"observer/{region}", 0) for region in self.model.task.regions)
        return looked - self.looked_in_vain

    # -- what they say -----------------------------------------------------------------------

    def _orchestrator(self, _request: GeminiRequest, visit: int, good: bool) -> str:
        if not good:
            if self.draws.uniform("lost", visit) < self.model.bad.plan_is_lost:
                self.lost = True
            else:
                return json.dumps({"next": "web_agent", "advice": "wrong"})
        due = sum(1 for after in self.model.task.look_after if self.done >= after)
        if self.done >= self.model.task.actions:
            following = "sequence_generator"
        elif self._looks() < due:
            following = "observer"
        else:
            following = "web_agent"
        return json.dumps({"next": following, "advice": "right"})

    def _web_agent(self, request: GeminiRequest, _visit: int, good: bool) -> str:
        return "right" if good and "Advice: right" in request.text else "wrong"

    def _observer(self, _request: GeminiRequest, _visit: int, good: bool) -> str:
        self.misled = self.misled or not good
        return "It shows what it should." if good else "It shows nothing of note."

    def _sequence_generator(self, _request: GeminiRequest, _visit: int, good: bool) -> str:
        self.recorded = good and not self.lost and self.done >= self.model.task.actions
        return "The recording."
