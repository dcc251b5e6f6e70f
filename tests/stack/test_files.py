"""The files of deploy/ before the tools that read them: what is not started here is at least read."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.deploy.queries import DEPLOY, ROOT, RULES
from tests.deploy.schemas import validate
from tests.stack.servers import program

pytestmark = pytest.mark.stack

CONFIGS = ROOT / "collector-config"


def run(tool: Path, arguments: Sequence[str | Path]) -> str:
    """What the tool prints; fails with all of it where the tool does."""
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{tool.name} {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("tests", sorted((DEPLOY / "prometheus" / "tests").glob("*.yaml")), ids=lambda path: path.stem)
def test_alerts_fire_at_their_time_and_not_one_step_before(tests: Path) -> None:
    assert "SUCCESS" in run(program("prometheus", "promtool"), ["test", "rules", tests])


def test_a_service_has_a_budget_of_its_own_where_a_line_says_so(tmp_path: Path) -> None:
    written = (RULES / "settings.yml").read_text()
    (tmp_path / "settings.yml").write_text(written.replace("# label_replace", "label_replace"))
    cost = 'agentperf_cost_USD_total{{job="{job}"}}'
    series = [{"series": cost.format(job=job), "values": "1x10"} for job in ("my-dear-service", "another")]
    asked = {
        "expr": "job:agentperf_budget_usd_per_hour",
        "eval_time": "2m",
        "exp_samples": [
            {"labels": f'job:agentperf_budget_usd_per_hour{{job="{job}"}}', "value": usd}
            for job, usd in (("my-dear-service", 25), ("another", 5))
        ],
    }
    tests = {
        "rule_files": ["settings.yml"],
        "tests": [{"interval": "30s", "input_series": series, "promql_expr_test": [asked]}],
    }
    (tmp_path / "budget.yaml").write_text(yaml.safe_dump(tests))
    assert "SUCCESS" in run(program("prometheus", "promtool"), ["test", "rules", tmp_path / "budget.yaml"])


def test_prometheus_takes_its_config_and_the_rules() -> None:
    run(program("prometheus", "promtool"), ["check", "config", DEPLOY / "prometheus" / "prometheus.yml"])


def test_alertmanager_takes_its_config() -> None:
    run(program("alertmanager", "amtool"), ["check-config", DEPLOY / "alertmanager" / "alertmanager.yml"])


def test_tempo_takes_its_config() -> None:
    run(program("tempo", "tempo"), [f"-config.file={DEPLOY / 'compose' / 'tempo.yaml'}", "-config.verify=true"])


def test_compose_takes_its_file() -> None:
    assert "otel/opentelemetry-collector-contrib" in run(
        program("compose", "cmd"), [DEPLOY / "compose" / "compose.yaml"]
    )


def test_kustomize_makes_what_kubernetes_takes_out_of_the_very_configs() -> None:
    built = run(program("kustomize", "kustomize"), ["build", DEPLOY / "kubernetes"])
    objects = list(yaml.safe_load_all(built))
    for one in objects:
        validate(one)
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "agentperf"
    maps = {one["metadata"]["name"].rsplit("-", 1)[0]: one for one in objects if one["kind"] == "ConfigMap"}
    for role, workload in (("agent", "DaemonSet"), ("gateway", "StatefulSet")):
        config = maps[f"otelcol-{role}-config"]
        assert config["data"] == {f"{role}.yaml": (CONFIGS / f"{role}.yaml").read_text()}
        (pod,) = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == workload]
        used = [one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one]
        assert used == [config["metadata"]["name"]]
        assert (
            pod["containers"][0]["envFrom"][0]["configMapRef"]["name"]
            == maps[f"otelcol-{role}-settings"]["metadata"]["name"]
        )
