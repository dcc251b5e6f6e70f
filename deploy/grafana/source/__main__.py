"""Writes the dashboards to the folder that Grafana's provisioning reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.source.money import money
from deploy.grafana.source.overview import overview
from deploy.grafana.source.resources import resources
from deploy.grafana.source.system import system

DASHBOARDS = Path(__file__).parent.parent / "dashboards"


def files() -> Iterable[tuple[str, str]]:
    """The name and text of each dashboard's file."""
    built: tuple[Dashboard, ...] = (overview(), system(), money(), resources())
    for dashboard in built:
        made = dashboard.build()
        for number, panel in enumerate(made.panels or (), start=1):
            panel.id_val = number
        text = json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        yield f"{made.uid}.json", f"{text}\n"


def main() -> None:
    """Write every file anew."""
    for name, text in files():
        (DASHBOARDS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
