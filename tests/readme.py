"""The generated parts of the README: `python tests/readme.py` rewrites them."""

from __future__ import annotations

import re
from pathlib import Path

from otel_agentperf import config
from otel_agentperf.rules import RULES

README = Path(__file__).parent.parent / "README.md"


def settings_table() -> str:
    """The table of settings, from the table that parses them."""
    lines = ["| variable | allowed | default | |", "|---|---|---|---|"]
    for name, row in config.setting_rows().items():
        default = "" if row.default == () else str(row.default)
        shown = f"`{default.lower() if isinstance(row.default, bool) else default}`" if default else ""
        unit = f" ({row.unit})" if row.unit else ""
        lines.append(f"| `{config.env_name(name)}` | {row.kind}{unit} | {shown} | {row.sentence} |")
    return "\n".join(lines)


def rules_table() -> str:
    """The table of rules, from what they declare and the first sentence of their docs."""
    import sys

    lines = ["| code | pattern | finds |", "|---|---|---|"]
    for rule in RULES:
        text = sys.modules[rule.__module__].__doc__ or ""
        found = re.search(r"What it finds: (.*?)(?:\.\s|\.$)", text, re.DOTALL)
        assert found is not None, rule.code
        lines.append(f"| {rule.code} | `{rule.name}` | {' '.join(found.group(1).split())} |")
    return "\n".join(lines)


GENERATED = {"settings": settings_table, "rules": rules_table}


def generated(text: str) -> str:
    """The README's text with its generated parts made anew."""
    for name, make in GENERATED.items():
        pattern = re.compile(f"<!-- {name} -->\n.*?<!-- /{name} -->", re.DOTALL)
        text, count = pattern.subn(lambda _, n=name, m=make: f"<!-- {n} -->\n{m()}\n<!-- /{n} -->", text)
        assert count == 1, f"README.md has no place for {name}"
    return text


if __name__ == "__main__":
    README.write_text(generated(README.read_text()))
