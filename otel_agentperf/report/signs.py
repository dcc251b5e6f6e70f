"""The characters that draw, where an encoding has them, and those that stand in for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters that draw."""

    line: str = "─"
    branch: str = "├ "
    last: str = "└ "
    through: str = "│ "
    dot: str = "·"
    arrow: str = "→"
    dots: str = "…"


BOX = Signs()
ASCII = Signs("-", "+ ", "` ", "| ", "|", ">", "...")
SIGNS_NEEDED = f"{BOX.line}{BOX.branch}{BOX.last}{BOX.through}{BOX.dot}{BOX.arrow}{BOX.dots}"
"""What an encoding must hold for `BOX`."""
