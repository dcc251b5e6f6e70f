"""`pyproject.toml` states each version bound once, and what repeats one agrees with it."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from otel_agentperf._version import VERSION

ROOT = Path(__file__).parent.parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
OLDEST: list[str] = PYPROJECT["dependency-groups"]["env-oldest"]
# These are released together with another of the oldest.
BROUGHT_BY_ANOTHER = {
    "opentelemetry-api",
    "opentelemetry-exporter-otlp",
    "opentelemetry-instrumentation",
    "opentelemetry-proto",
}


def lower_bounds() -> dict[str, set[str]]:
    """Every bound that a user's installation may meet, by distribution."""
    bounds: dict[str, set[str]] = {}
    for requirement in [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]:
        if requirement.startswith("otel-agentperf["):
            continue
        name, bound = requirement.split(">=")
        bounds.setdefault(name, set()).add(bound)
    return bounds


def test_the_version_is_the_same_in_code_and_distribution() -> None:
    assert PROJECT["version"] == VERSION == metadata.version("otel-agentperf")


@pytest.mark.parametrize(("name", "bounds"), sorted(lower_bounds().items()))
def test_a_library_has_one_lower_bound(name: str, bounds: set[str]) -> None:
    assert len(bounds) == 1, name


def test_the_oldest_environment_holds_every_lower_bound() -> None:
    pinned = dict(pin.split("==") for pin in OLDEST)
    for name, (bound,) in lower_bounds().items():
        if name not in BROUGHT_BY_ANOTHER:
            assert f"{pinned[name]}.".startswith(f"{bound}."), name


def test_all_names_every_other_extra() -> None:
    (everything,) = EXTRAS["all"]
    named = everything.removeprefix("otel-agentperf[").removesuffix("]").split(",")
    assert named == sorted(set(EXTRAS) - {"all"})


def test_every_install_line_in_the_code_names_an_extra_that_exists() -> None:
    hint = re.compile(r"otel-agentperf\[([\w,-]+)\]")
    named = {
        extra
        for file in sorted((ROOT / "otel_agentperf").rglob("*.py"))
        for match in hint.finditer(file.read_text())
        for extra in match.group(1).split(",")
    }
    assert named <= set(EXTRAS)
