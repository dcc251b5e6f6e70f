from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.deploy.queries import DEPLOY, ROOT
from tests.deploy.schemas import validate
from tests.deploy.test_compose import settings_of, version_of_the_collector

KUBERNETES = DEPLOY / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
OBJECTS: dict[str, dict[str, Any]] = {
    f"{found['kind']} {found['metadata']['name']}": found
    for file in KUSTOMIZATION["resources"]
    if file.endswith(".yaml")
    for found in yaml.safe_load_all((KUBERNETES / file).read_text())
}
ROLES = {"agent": "DaemonSet otelcol-agent", "gateway": "StatefulSet otelcol-gateway"}


def container(role: str) -> dict[str, Any]:
    (only,) = OBJECTS[ROLES[role]]["spec"]["template"]["spec"]["containers"]
    return only


def settings(role: str) -> dict[str, str]:
    """What a Collector is told, by the manifest and by the user's list."""
    maps = {one["name"]: one["literals"] for one in KUSTOMIZATION["configMapGenerator"]}
    (given,) = container(role)["envFrom"]
    literals = dict(literal.split("=", 1) for literal in maps[given["configMapRef"]["name"]])
    return literals | {one["name"]: one["value"] for one in container(role)["env"]}


def mib(quantity: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_is_what_kubernetes_takes(name: str) -> None:
    validate(OBJECTS[name])


@pytest.mark.parametrize("role", ROLES)
def test_a_collector_is_told_what_its_config_asks_for(role: str) -> None:
    go = {"GOMEMLIMIT"}
    assert settings(role).keys() - go <= settings_of(f"{role}.yaml")
    assert container(role)["args"] == [f"--config=/etc/otelcol/{role}.yaml"]


@pytest.mark.parametrize("role", ROLES)
def test_a_collector_listens_where_it_says_so(role: str) -> None:
    ports = {one["name"]: one["containerPort"] for one in container(role)["ports"]}
    told = settings(role)
    assert told["OTLP_GRPC_LISTEN"] == f"0.0.0.0:{ports['otlp-grpc']}"
    assert told["HEALTH_LISTEN"] == f"0.0.0.0:{ports['health']}"
    assert told["TELEMETRY_HOST"] == "0.0.0.0"  # noqa: S104 - in a pod of its own
    for probe in ("readinessProbe", "livenessProbe"):
        assert container(role)[probe]["httpGet"]["port"] == "health"


@pytest.mark.parametrize("role", ROLES)
def test_a_collector_refuses_before_its_container_is_killed(role: str) -> None:
    limit = mib(container(role)["resources"]["limits"]["memory"])
    assert int(settings(role)["MEMORY_LIMIT_MIB"]) <= 0.81 * limit
    assert settings(role)["GOMEMLIMIT"] == f"{settings(role)['MEMORY_LIMIT_MIB']}MiB"


@pytest.mark.parametrize("role", ROLES)
def test_a_service_leads_to_the_pods_of_its_collector(role: str) -> None:
    service, workload = OBJECTS[f"Service otelcol-{role}"], OBJECTS[ROLES[role]]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
    ports = {one["name"] for one in container(role)["ports"]}
    assert {one["targetPort"] for one in service["spec"]["ports"]} <= ports


def test_agents_ask_dns_for_every_gateway() -> None:
    service = OBJECTS["Service otelcol-gateway"]
    assert service["spec"]["clusterIP"] == "None"
    assert settings("agent")["GATEWAY_HOSTNAME"] == service["metadata"]["name"]
    assert OBJECTS[ROLES["gateway"]]["spec"]["serviceName"] == service["metadata"]["name"]


def test_what_waits_for_a_backend_outlives_a_gateway() -> None:
    (claim,) = OBJECTS[ROLES["gateway"]]["spec"]["volumeClaimTemplates"]
    seen = {one["name"]: one["mountPath"] for one in container("gateway")["volumeMounts"]}
    config = (ROOT / "collector-config" / "gateway.yaml").read_text()
    folders = re.findall(r"\$\{env:\w+_DIRECTORY:-([^}]+)\}", config)
    assert folders
    assert all(folder.startswith(seen[claim["metadata"]["name"]]) for folder in folders)


def test_the_configs_are_the_files_of_collector_config() -> None:
    folder = ROOT / "collector-config"
    assert "../../collector-config" in KUSTOMIZATION["resources"]
    generated = yaml.safe_load((folder / "kustomization.yaml").read_text())["configMapGenerator"]
    maps = {one["name"]: one["files"] for one in generated}
    for role, name in ROLES.items():
        (volume,) = [one for one in OBJECTS[name]["spec"]["template"]["spec"]["volumes"] if "configMap" in one]
        assert maps[volume["configMap"]["name"]] == [f"{role}.yaml"]
        assert (folder / f"{role}.yaml").exists()


def test_the_image_is_that_of_the_collector_that_was_tested() -> None:
    (image,) = KUSTOMIZATION["images"]
    assert image["newTag"] == version_of_the_collector()
    assert {container(role)["image"] for role in ROLES} == {image["name"]}


@pytest.mark.parametrize("role", ROLES)
def test_a_collector_may_do_nothing_that_it_need_not(role: str) -> None:
    pod = OBJECTS[ROLES[role]]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    allowed = container(role)["securityContext"]
    assert allowed["readOnlyRootFilesystem"] is True
    assert allowed["allowPrivilegeEscalation"] is False
    assert allowed["capabilities"] == {"drop": ["ALL"]}
