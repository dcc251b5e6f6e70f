from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.queries import DEPLOY, ROOT

COMPOSE = DEPLOY / "compose"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
PROVISIONING = DEPLOY / "grafana" / "provisioning"
COLLECTOR_CONFIGS = ROOT / "collector-config"


def settings_of(config: str) -> set[str]:
    """The names of the settings that a Collector config reads from its environment."""
    return set(re.findall(r"\$\{env:(\w+)", (COLLECTOR_CONFIGS / config).read_text()))


def mounts(service: str) -> dict[str, str]:
    """What a service sees of the disk, by the place where it sees it."""
    pairs = (mount.split(":") for mount in SERVICES[service].get("volumes", ()))
    return {inside: outside for outside, inside, *_ in pairs}


def version_of_the_collector() -> str:
    return yaml.safe_load((COLLECTOR_CONFIGS / "builder.yaml").read_text())["dist"]["version"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_version_and_every_file_that_is_mounted_exists(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])
    for outside in mounts(name).values():
        assert "/" not in outside or (COMPOSE / outside).exists()


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_listens_beyond_this_box(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


def test_the_versions_are_those_that_were_tested() -> None:
    assert SERVICES["collector"]["image"].endswith(f":{version_of_the_collector()}")
    assert SERVICES["grafana"]["image"].endswith(f":{version('grafana-foundation-sdk').split('!')[1]}")


def test_the_collector_is_told_what_its_config_asks_for() -> None:
    assert SERVICES["collector"]["environment"].keys() <= settings_of("local.yaml")
    assert mounts("collector")["/etc/otelcol/local.yaml"] == "../../collector-config/local.yaml"
    assert SERVICES["collector"]["command"] == ["--config=/etc/otelcol/local.yaml"]


def test_what_one_service_looks_for_is_another_service() -> None:
    sources = yaml.safe_load((PROVISIONING / "datasources" / "agentperf.yaml").read_text())["datasources"]
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    scraped = [
        target for job in config["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    ]
    alerting = config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    environment = SERVICES["collector"]["environment"]
    addresses = [
        *(source["url"].removeprefix("http://") for source in sources),
        *scraped,
        *alerting,
        environment["JAEGER_ENDPOINT"],
        environment["TEMPO_ENDPOINT"],
    ]
    assert {address.split(":")[0] for address in addresses} == SERVICES.keys() - {"grafana"}


def test_grafana_finds_the_dashboards_and_their_points_lead_to_sources_that_exist() -> None:
    seen = mounts("grafana")
    assert seen["/etc/grafana/provisioning"] == "../grafana/provisioning"
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "agentperf.yaml").read_text())["providers"]
    assert seen[provider["options"]["path"]] == "../grafana/dashboards"
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (DEPLOY / "grafana" / "dashboards" / home.name).exists()
    sources = yaml.safe_load((PROVISIONING / "datasources" / "agentperf.yaml").read_text())["datasources"]
    known = {source["uid"] for source in sources}
    points = [
        point for source in sources for point in source.get("jsonData", {}).get("exemplarTraceIdDestinations", ())
    ]
    assert {point["datasourceUid"] for point in points} == {"tempo", "jaeger"} <= known


def test_prometheus_keeps_the_points_and_loads_every_rule_file() -> None:
    assert "--enable-feature=exemplar-storage" in SERVICES["prometheus"]["command"]
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    (pattern,) = config["rule_files"]
    loaded = {path.name for path in (DEPLOY / "prometheus").glob(pattern)}
    assert loaded == {"alerts.yml", "recording.yml", "settings.yml"}


def test_the_labels_of_the_agents_are_kept_as_the_collector_has_them() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs["agentperf"]["honor_labels"] is True
    assert "agentperf-collector" in jobs
