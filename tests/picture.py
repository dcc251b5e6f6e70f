"""The README's picture: `script -qc "otel-agentperf demo" /dev/null | python tests/picture.py`.

Draws the last run among what a terminal shows into `.assets/console.svg`.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parent.parent / ".assets" / "console.svg"
WIDTH = 80


def draw(shown: str) -> str:
    """An SVG of the last report in the output of a terminal."""
    lines = [line.rstrip("\r") for line in shown.split("\n")]
    begin = max(i for i, line in enumerate(lines) if "recording ──" in Text.from_ansi(line).plain)
    console = Console(width=WIDTH, record=True, file=io.StringIO())
    for line in lines[begin:]:
        console.print(Text.from_ansi(line), end="\n", crop=False)
    svg = console.export_svg(title="otel-agentperf demo")
    # The reader's own monospaced font will do: a picture fetches nothing.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"<!-- .*? -->\s*", "", svg, flags=re.DOTALL).replace("Fira Code,", "")


if __name__ == "__main__":
    PICTURE.write_text(draw(sys.stdin.read()))
