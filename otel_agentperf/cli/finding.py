"""One thing that `doctor` looked at, and how it looks at what is installed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, entry_points, version

DISTRIBUTION = "otel-agentperf"
DISTRO = "opentelemetry-distro"


class Level(StrEnum):
    """What a finding means: fine, worth knowing, or something to change."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    sentence: str


def ok(sentence: str) -> Finding:
    """A finding that is fine."""
    return Finding(Level.OK, sentence)


def note(sentence: str) -> Finding:
    """A finding that is worth knowing."""
    return Finding(Level.NOTE, sentence)


def wrong(sentence: str) -> Finding:
    """A finding that needs a change."""
    return Finding(Level.WRONG, sentence)


def found_version(distribution: str) -> str | None:
    """The installed version, or `None`."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def entry_names(group: str) -> list[str]:
    """The names of a group of entry points, each once."""
    return sorted({entry.name for entry in entry_points(group=group)})


def is_ours(group: str, name: str) -> bool:
    """Whether this package is found under an entry point."""
    return any(entry.value.startswith("otel_agentperf.") for entry in entry_points(group=group, name=name))
