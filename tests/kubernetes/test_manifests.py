"""The manifests of deploy/kubernetes, held against Kubernetes' own schemas and what the services need."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from mesh_cli.embedded import Ports

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "kubernetes" / "base"
# Of v1.37 with unknown fields refused, without their descriptions (https://github.com/yannh/kubernetes-json-schema).
SCHEMAS = json.loads((Path(__file__).parent / "schemas.json").read_text())
GROUPS = {
    "v1": "core.v1",
    "apps/v1": "apps.v1",
    "policy/v1": "policy.v1",
    "networking.k8s.io/v1": "networking.v1",
}
PORTS = Ports().published
NO_STATE = "console"


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


MANIFESTS = [
    pytest.param(one, id=f"{one['kind']}-{one['metadata']['name']}")
    for file in sorted(BASE.glob("*.yaml"))
    if file.name != "kustomization.yaml"
    for one in documents(file)
]


def of(kind: str) -> dict[str, dict[str, Any]]:
    """Manifests of a kind by their names."""
    every: list[Any] = [one.values[0] for one in MANIFESTS]
    return {one["metadata"]["name"]: one for one in every if one["kind"] == kind}


WORKLOADS = of("StatefulSet") | of("Deployment")


@pytest.fixture(params=PORTS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def workload(name: str) -> dict[str, Any]:
    return WORKLOADS[name]


@pytest.fixture
def pod(workload: dict[str, Any]) -> dict[str, Any]:
    return workload["spec"]["template"]["spec"]


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (one,) = pod["containers"]
    return one


def faults(manifest: dict[str, Any]) -> list[str]:
    place = f"io.k8s.api.{GROUPS[manifest['apiVersion']]}.{manifest['kind']}"
    schema = {"$ref": f"#/$defs/{place}", "$defs": SCHEMAS["$defs"]}
    return [
        f"{fault.json_path}: {fault.message}" for fault in Draft202012Validator(schema).iter_errors(manifest)
    ]


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_is_what_kubernetes_takes(manifest: dict[str, Any]):
    assert faults(manifest) == []


def test_a_slip_of_the_pen_is_found():
    manifest = json.loads(json.dumps(of("StatefulSet")["registry"]))
    manifest["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    manifest["spec"]["replicas"] = "two"

    assert len(faults(manifest)) == 2


def test_kustomize_has_every_file():
    (whole,) = documents(BASE / "kustomization.yaml")

    assert {*whole["resources"], "kustomization.yaml"} == {file.name for file in BASE.iterdir()}


@pytest.fixture(scope="module")
def kustomize() -> str:
    found = shutil.which("kustomize", path=ROOT / ".cache" / "kustomize") or shutil.which("kustomize")
    if found is None:
        pytest.skip("Kustomize is not built here: `make kustomize` builds it with Go (half a minute, once)")
    return found


def rendered(kustomize: str, folder: Path) -> list[dict[str, Any]]:
    """What `kubectl apply -k` of the folder gives to a cluster."""
    ran = subprocess.run([kustomize, "build", folder], capture_output=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    return list(yaml.safe_load_all(ran.stdout))


def placed(manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": "mesh"}}


def test_kustomize_renders_these_manifests_into_the_namespace_and_changes_nothing_else(kustomize: str):
    def in_order(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(manifests, key=lambda one: (one["kind"], one["metadata"]["name"]))

    ours: list[Any] = [one.values[0] for one in MANIFESTS]

    assert in_order(rendered(kustomize, BASE)) == in_order([placed(one) for one in ours])


def test_the_overlay_of_the_page_moves_an_image_and_a_database_and_is_what_kubernetes_takes(
    kustomize: str, tmp_path: Path
):
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    (overlay,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    here = overlay.replace("github.com/YOU/mesh/deploy/kubernetes/base", os.path.relpath(BASE, tmp_path))
    assert here != overlay
    (tmp_path / "kustomization.yaml").write_text(here)

    manifests = rendered(kustomize, tmp_path)

    assert [fault for one in manifests for fault in faults(one)] == []
    kinds = {(one["kind"], one["metadata"]["name"]): one for one in manifests}
    registry = kinds["StatefulSet", "registry"]["spec"]["template"]["spec"]["containers"][0]
    assert registry["image"] == "REGISTRY/mesh-registry:0.1.0"
    assert kinds["ConfigMap", "mesh"]["data"]["POSTGRES"] == "postgres.data:5432"


def test_whoever_takes_up_by_name_what_it_had_begun_keeps_its_name(name: str, workload: dict[str, Any]):
    assert workload["kind"] == ("Deployment" if name == NO_STATE else "StatefulSet")
    if name != NO_STATE:
        assert workload["spec"]["serviceName"] == name
        environment = {
            one["name"]: one for one in workload["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        assert environment["MESH_INSTANCE"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_there_are_several_and_not_all_of_them_leave_at_once(name: str, workload: dict[str, Any]):
    budget = of("PodDisruptionBudget")[name]["spec"]

    assert workload["spec"]["replicas"] >= 2
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == workload["spec"]["selector"]


def test_its_service_leads_to_its_pods(name: str, workload: dict[str, Any], container: dict[str, Any]):
    service = of("Service")[name]["spec"]
    labels = workload["spec"]["template"]["metadata"]["labels"]

    assert service["selector"].items() <= labels.items()
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["ports"] == [{"name": "http", "port": PORTS[name], "targetPort": "http"}]
    assert container["ports"] == [{"name": "http", "containerPort": PORTS[name]}]
    assert {"name": "MESH_PORT", "value": str(PORTS[name])} in container["env"]


def test_it_runs_as_nobody_and_can_become_nobody_else(pod: dict[str, Any], container: dict[str, Any]):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_it_has_bounds_and_is_looked_at(container: dict[str, Any]):
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/livez"


def test_nobody_waits_in_a_circle_at_the_start():
    paths = {
        name: workload["spec"]["template"]["spec"]["containers"][0]["startupProbe"]["httpGet"]["path"]
        for name, workload in WORKLOADS.items()
    }

    assert [name for name, path in paths.items() if path == "/livez"] == ["security-gateway"]


def test_it_mounts_what_it_declares_and_sees_no_secret_but_its_own(
    name: str, pod: dict[str, Any], container: dict[str, Any]
):
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    secrets = {volume["secret"]["secretName"] for volume in volumes.values() if "secret" in volume}

    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    assert secrets == {name}
    assert ("keys" in volumes) is (name == "security-gateway")


def test_every_setting_comes_from_a_map_that_is_there(container: dict[str, Any]):
    maps = of("ConfigMap")
    read = [one["valueFrom"] for one in container["env"] if "valueFrom" in one]

    asked = [one["configMapKeyRef"] for one in read if "configMapKeyRef" in one]
    assert [one for one in asked if one["key"] not in maps[one["name"]]["data"]] == []
    assert container["envFrom"] == [{"configMapRef": {"name": "mesh-settings"}}]


def test_nobody_talks_to_anybody_unless_a_policy_says_so():
    policies = of("NetworkPolicy")

    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (among,) = policies["among-ourselves"]["spec"]["ingress"]
    assert among["ports"] == [{"port": "http"}]


def test_the_analyzer_and_the_console_do_not_reach_the_world_and_nobody_a_private_network():
    world = of("NetworkPolicy")["world"]["spec"]
    (reaching,) = world["podSelector"]["matchExpressions"]
    (block,) = world["egress"][0]["to"]

    assert {*PORTS} - {*reaching["values"]} == {"workspace-analyzer", "console"}
    assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"} <= {*block["ipBlock"]["except"]}
