"""Kubernetes' own schemas."""

from __future__ import annotations

from typing import Any

import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs] - it has none

VERSION = "1.33"


def validate(found: dict[str, Any]) -> None:
    """Raise where Kubernetes would refuse the object, for a field that it does not know too."""
    kubernetes_validate.validate(found, VERSION, strict=True)
