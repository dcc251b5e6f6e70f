from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from tests.stack.servers import CONFIGS, program

pytestmark = pytest.mark.stack

COLLECTORS = ("local.yaml", "agent.yaml", "gateway.yaml")
SETTINGS: tuple[dict[str, str], ...] = (
    {},
    {"TRACE_BACKENDS": "[otlp_grpc/tempo]", "GATEWAYS_BY": "load_balancing/static"},
    {"GATEWAYS": "[gateway-0:4317, gateway-1:4317]", "GATEWAYS_BY": "load_balancing/static", "DECISION_WAIT": "1h"},
)


def loaded(config: str) -> dict[str, Any]:
    return yaml.safe_load((CONFIGS / config).read_text(encoding="utf-8"))


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("config", COLLECTORS)
def test_the_collector_accepts_the_config(config: str, settings: dict[str, str]) -> None:
    done = subprocess.run(
        [program("collector", "otelcol"), "validate", f"--config={CONFIGS / config}"],
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_the_slim_collector_has_what_the_configs_use_and_nothing_else() -> None:
    listed = subprocess.run(
        [program("collector", "otelcol"), "components"], capture_output=True, text=True, check=True
    ).stdout
    kinds = ("receivers", "processors", "exporters", "connectors", "extensions")
    built = {kind: {one["name"] for one in yaml.safe_load(listed).get(kind) or ()} for kind in kinds}
    used: dict[str, set[str]] = {
        kind: {name.partition("/")[0] for config in COLLECTORS for name in loaded(config).get(kind) or ()}
        for kind in kinds
    }

    assert built == used


@pytest.mark.parametrize("config", ["agent.yaml", "gateway.yaml"])
def test_what_several_configs_do_they_do_alike(config: str) -> None:
    """All but the memory, which is a gateway's own."""
    local, other = loaded("local.yaml"), loaded(config)
    shared = [
        (kind, name)
        for kind in ("receivers", "processors", "connectors", "exporters", "extensions")
        for name in local[kind]
        if name in other.get(kind, {}) and name != "memory_limiter"
    ]

    assert ("processors", "transform/content") in shared
    for kind, name in shared:
        assert other[kind][name] == local[kind][name], name
