"""The version of this package, kept equal to `pyproject.toml` by a test."""

from __future__ import annotations

VERSION = "0.1.0"
