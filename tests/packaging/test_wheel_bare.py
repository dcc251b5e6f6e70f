"""The wheel without any extra, at the lowest versions that it allows."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel


@pytest.mark.parametrize("module", ["langgraph", "google.genai", "click", "rich", "opentelemetry.distro"])
def test_what_an_extra_would_bring_is_absent(module: str) -> None:
    with suppress(ModuleNotFoundError):  # of the parent package
        assert find_spec(module) is None


def test_every_core_dependency_stands_at_its_lower_bound() -> None:
    bounds = [line for line in metadata.requires("otel-agentperf") or [] if "extra ==" not in line]
    assert bounds
    for line in bounds:
        match = re.fullmatch(r"([\w.-]+)>=([\w.]+)", line)
        assert match is not None, line
        name, bound = match.groups()
        assert f"{metadata.version(name)}.".startswith(f"{bound}."), line


def test_the_command_names_the_line_that_installs_what_it_needs() -> None:
    command = Path(sys.executable).with_name("otel-agentperf")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert (done.stdout + done.stderr).strip() == 'pip install "otel-agentperf[cli]"'
