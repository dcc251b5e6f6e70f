"""`model.toml`, read and checked: the assumptions of the benchmark, and the scenarios made of them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

FILE = Path(__file__).with_name("model.toml")
STEPS = ("orchestrator", "web_agent", "observer", "sequence_generator")

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file; a name that it does not know is an error."""


class Task(Facts, frozen=True):
    """The web task."""

    actions: Annotated[int, msgspec.Meta(ge=1)]
    look_after: tuple[int, ...]
    regions: tuple[str, ...]
    click_s: NotNegative
    max_turns: Annotated[int, msgspec.Meta(ge=2)]


class Latency(Facts, frozen=True):
    """How long a model takes."""

    base_s: Positive
    per_output_token_s: Positive
    sigma: NotNegative
    hang_probability: Share
    hang_s: NotNegative


class Api(Facts, frozen=True):
    """What Gemini's API does not allow."""

    least_timeout_s: NotNegative


class Tokens(Facts, frozen=True):
    """What a step consumes."""

    input: Count
    input_per_turn: Count
    output: Count
    spread: NotNegative
    flash_output: Positive
    lite_output: Positive


class Bad(Facts, frozen=True):
    """What a bad answer leads to."""

    plan_is_lost: Share


class Runaway(Facts, frozen=True):
    """How often a run comes to a page that reacts to nothing."""

    probability: Share


class Guard(Facts, frozen=True):
    """The budget that a user would set."""

    times_mean_cost: Positive


class Drift(Facts, frozen=True):
    """What changes in the middle of the measured runs."""

    after: Share
    model: str
    slower: Positive = 1.0
    good: dict[str, Share] = {}


class Scenario(Facts, frozen=True):
    """Which model each step asks, and what differs from the rest of the file."""

    sentence: str
    models: dict[str, str]
    learn: Count
    explore: Share
    runs: Annotated[int, msgspec.Meta(ge=1)]
    arms: tuple[Literal["without", "advised", "guarded", "both", "applied"], ...]
    allowed: tuple[str, ...]
    good: dict[str, dict[str, Share]] = {}
    runaway: Share | None = None
    drift: Drift | None = None


class Model(Facts, frozen=True):
    """The whole file."""

    task: Task
    models: dict[str, Latency]
    api: Api
    steps: dict[str, Tokens]
    good: dict[str, dict[str, Share]]
    bad: Bad
    runaway: Runaway
    guard: Guard
    scenarios: dict[str, Scenario]

    def good_at(self, scenario: Scenario, step: str, model: str, *, drifted: bool) -> float:
        """The probability that an answer is good."""
        drift = scenario.drift
        if drifted and drift is not None and model == drift.model and step in drift.good:
            return drift.good[step]
        return scenario.good.get(step, {}).get(model, self.good[step][model])


def load(path: Path = FILE) -> Model:
    """Read the file.

    Raises:
        ValueError: something is missing, unknown or out of range; the message names it.
    """
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    defaults: Mapping[str, Any] = raw.pop("defaults")
    raw["scenarios"] = {name: {**defaults, **one} for name, one in raw["scenarios"].items()}
    try:
        model = msgspec.convert(raw, Model)
    except msgspec.ValidationError as error:  # a ValueError in newer versions only
        raise ValueError(str(error)) from None
    _check(model)
    return model


def _check(model: Model) -> None:
    for where, steps in (("steps", model.steps), ("good", model.good)):
        if set(steps) != set(STEPS):
            raise ValueError(f"{where}: {sorted(steps)} must be {sorted(STEPS)}")
    for step, shares in model.good.items():
        _known(f"good.{step}", shares, model)
        if set(shares) != set(model.models):
            raise ValueError(f"good.{step} must tell of every model")
    for name, one in model.scenarios.items():
        _check_scenario(name, one, model)


def _check_scenario(name: str, one: Scenario, model: Model) -> None:
    if set(one.models) != set(STEPS):
        raise ValueError(f"scenarios.{name}.models must tell of every step")
    _known(f"scenarios.{name}.models", one.models.values(), model)
    _known(f"scenarios.{name}.allowed", one.allowed, model)
    for step, shares in one.good.items():
        if step not in STEPS:
            raise ValueError(f"scenarios.{name}.good: no step {step!r}")
        _known(f"scenarios.{name}.good.{step}", shares, model)
    if one.drift is not None:
        _known(f"scenarios.{name}.drift.model", [one.drift.model], model)
        if unknown := set(one.drift.good) - set(STEPS):
            raise ValueError(f"scenarios.{name}.drift.good: no step {sorted(unknown)}")


def _known(where: str, names: Any, model: Model) -> None:
    if unknown := set(names) - set(model.models):
        raise ValueError(f"{where}: no model {sorted(unknown)}")
