"""The Helm chart, rendered by Helm's own engine and validated against Kubernetes' schemas."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.config import Config
from gateway.config.load import parse_config
from gateway.errors import Forbidden
from gateway.keys.host_check import HostCheck

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy/helm/benchroute"
KUBERNETES = ("1.25", "1.31")
OF_OPERATORS = {"ServiceMonitor"}
"""Kinds that Kubernetes itself does not have."""

VALUE_SETS = sorted((CHART / "ci").glob("*-values.yaml"))
ENVIRONMENT = {
    "BENCHROUTE_STATE": "redis://redis:6379/0",
    "BENCHROUTE_ADMIN_SHA256": "1" * 64,
    "BENCHROUTE_METRICS_SHA256": "2" * 64,
    "OPENAI_API_KEY": "sk-made-up",
    "PACK": "public",
}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("helm_python") is None, reason="Helm's engine is not to be had for this processor"
)

KEY = {"name": "a", "sha256": "3" * 64}

Documents = dict[tuple[str, str], dict[str, Any]]


def run_helm(values: dict[str, Any], name: str = "mine") -> subprocess.CompletedProcess[str]:
    request = json.dumps({"values": values, "name": name, "namespace": "prod"})
    command = [sys.executable, "-m", "tests.helm.render", str(CHART)]
    return subprocess.run(command, input=request, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)


def rendered(values: dict[str, Any], name: str = "mine") -> tuple[Documents, str]:
    """Return the objects by kind and name, and the notes."""
    done = run_helm(values, name)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [one for one in told["lint"]["messages"] if one["severity"] > 1] == []
    texts: dict[str, str] = told["templates"]
    notes = texts.pop("benchroute/templates/NOTES.txt")
    found = [one for text in texts.values() for one in yaml.safe_load_all(text) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}, notes


def values_of(file: str, **changes: Any) -> dict[str, Any]:
    return {**yaml.safe_load((CHART / f"ci/{file}-values.yaml").read_text()), **changes}


def config_of(found: Documents) -> Config:
    return parse_config(found["ConfigMap", "mine-config"]["data"]["config.yaml"], "config.yaml", ENVIRONMENT)


def pod_of(found: Documents, part: str) -> dict[str, Any]:
    pod: dict[str, Any] = found["Deployment", f"mine-{part}"]["spec"]["template"]
    return pod


@pytest.mark.parametrize("path", VALUE_SETS, ids=lambda path: path.stem)
def test_what_the_chart_renders_is_what_kubernetes_takes(path: Path) -> None:
    found, notes = rendered(yaml.safe_load(path.read_text()))
    for (kind, name), document in found.items():
        assert name.startswith("mine-")
        for version in KUBERNETES:
            if kind not in OF_OPERATORS:
                kubernetes_validate.validate(document, version, strict=True)
    assert notes.strip()
    assert config_of(found).state.is_shared
    for part in ("gateway", "scorer"):
        pod = pod_of(found, part)
        budget = found["PodDisruptionBudget", f"mine-{part}"]["spec"]
        assert budget["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert budget["maxUnavailable"] == 1


@pytest.mark.parametrize("part", ["gateway", "scorer"])
def test_containers_have_no_privileges_and_write_nowhere_but_to_their_volumes(part: str) -> None:
    spec = pod_of(rendered(values_of("keys"))[0], part)["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert {one["mountPath"] for one in container["volumeMounts"]} == {"/etc/benchroute", "/var/lib/benchroute", "/tmp"}  # noqa: S108
    assert container["resources"].keys() == {"requests", "limits"}
    assert len(spec["topologySpreadConstraints"]) == 2


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"auth": {}}, "auth.existingSecret"),
        ({"auth": {"existingSecret": "a", "allowUnauthenticated": True}}, "exclude each other"),
        ({"redis": {}}, "redis.url"),
        ({"config": {}}, "config.models"),
        ({"ingress": {"enabled": True}}, "ingress.hosts"),
        ({"gateway": {"terminationGracePeriodSeconds": 54}}, "to 55 at least"),
        ({"gateway": {"autoscaling": {"enabled": True, "cpuUtilization": None}}}, "gateway.autoscaling needs"),
        ({"scorer": {"autoscaling": {"enabled": True, "cpuUtilization": None}}}, "cpuUtilization or backlog"),
        # The schema: a wrong name, a wrong type, a value out of range.
        ({"ingres": {"enabled": True}}, "ingres"),
        ({"gateway": {"replica": 2}}, "replica"),
        ({"gateway": {"replicas": "two"}}, "replicas"),
        ({"gateway": {"port": 80}}, "port"),
        ({"redis": {"url": "http://redis"}}, "url"),
        ({"image": {"digest": "sha256:1"}}, "digest"),
    ],
)
def test_values_that_cannot_work_are_refused_with_the_values_name(changes: dict[str, Any], named: str) -> None:
    done = run_helm({**values_of("keys"), **changes})
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_without_any_value_the_first_error_says_how_to_make_a_key() -> None:
    done = run_helm({})
    assert "Nobody is authenticated" in done.stderr
    assert "kubectl create secret generic benchroute-auth --from-literal=admin-sha256=" in done.stderr


@pytest.mark.parametrize(
    "own", [{"keys": [{"name": "a", "sha256": "3" * 64}]}, {"admin": {"keys": [{"name": "a", "sha256": "3" * 64}]}}]
)
def test_keys_of_the_configuration_are_authentication_too(own: dict[str, Any]) -> None:
    values = values_of("keys", auth={})
    values["config"] |= own
    config = config_of(rendered(values)[0])
    assert not config.server.allow_unauthenticated
    assert [key.name for key in (*config.keys, *config.admin.keys)] == ["a"]


def test_the_admin_key_of_the_secret_is_in_the_configuration() -> None:
    found, notes = rendered(values_of("keys"))
    config = config_of(found)
    assert [(key.name, key.sha256, key.read_only) for key in config.admin.keys] == [("admin", "1" * 64, False)]
    assert not config.server.allow_unauthenticated
    for part in ("gateway", "scorer"):
        (container,) = pod_of(found, part)["spec"]["containers"]
        secrets = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one}
        assert secrets["BENCHROUTE_ADMIN_SHA256"] == {"name": "benchroute-auth", "key": "admin-sha256"}
    assert "benchroute keys create" in notes


def test_without_authentication_the_notes_warn_and_the_ingress_hosts_are_accepted() -> None:
    found, notes = rendered(values_of("open"))
    config = config_of(found)
    assert "NO KEYS" in notes
    assert config.server.allow_unauthenticated
    check = HostCheck(lambda: True, "0.0.0.0", config.server.allowed_hosts)  # noqa: S104 - as the chart starts it
    service = "mine-gateway.prod"
    for name in (
        "llm.example.com",
        "mine-gateway",
        service,
        f"{service}.svc",
        f"{service}.svc.cluster.local",
        "10.1.2.3",
    ):
        check.check_request([(b"host", name.encode())], is_change=True)
    with pytest.raises(Forbidden):
        check.check_request([(b"host", b"evil.example")], is_change=True)


def test_own_keys_stay_beside_those_of_the_secret_and_prometheus_gets_its_own() -> None:
    found, _ = rendered(values_of("everything"))
    admin = config_of(found).admin.keys
    assert [(key.name, key.read_only) for key in admin] == [("ops", False), ("admin", False), ("metrics", True)]
    monitor = found["ServiceMonitor", "mine-gateway"]["spec"]
    assert monitor["endpoints"][0]["authorization"]["credentials"] == {"name": "benchroute-auth", "key": "metrics-key"}
    service = found["Service", "mine-gateway"]["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= service.items()


def test_a_monitor_without_admin_keys_needs_no_key() -> None:
    found, _ = rendered(values_of("open", serviceMonitor={"enabled": True}))
    assert "authorization" not in found["ServiceMonitor", "mine-gateway"]["spec"]["endpoints"][0]


def test_autoscaling_is_off_by_default_and_replicas_are_absent_with_it() -> None:
    found, _ = rendered(values_of("keys"))
    assert not any(kind == "HorizontalPodAutoscaler" for kind, _ in found)
    assert found["Deployment", "mine-gateway"]["spec"]["replicas"] == 2
    scaled, _ = rendered(values_of("everything"))
    for part, kinds in (("gateway", ["Resource", "Pods"]), ("scorer", ["External"])):
        autoscaler = scaled["HorizontalPodAutoscaler", f"mine-{part}"]["spec"]
        assert [metric["type"] for metric in autoscaler["metrics"]] == kinds
        assert autoscaler["scaleTargetRef"]["name"] == f"mine-{part}"
        assert "replicas" not in scaled["Deployment", f"mine-{part}"]["spec"]


def test_policies_let_clients_in_and_scorers_out_to_redis_only() -> None:
    found, _ = rendered(values_of("everything"))
    scorer = found["NetworkPolicy", "mine-scorer"]["spec"]
    assert scorer["ingress"] == []
    assert {port["port"] for rule in scorer["egress"] for port in rule["ports"]} == {53, 6379}
    gateway = found["NetworkPolicy", "mine-gateway"]["spec"]
    assert gateway["ingress"][0]["ports"] == [{"port": "http"}]
    assert {port["port"] for rule in gateway["egress"] for port in rule["ports"]} == {53, 6379, 443}
    for part, policy in (("gateway", gateway), ("scorer", scorer)):
        assert policy["podSelector"]["matchLabels"].items() <= pod_of(found, part)["metadata"]["labels"].items()


def test_a_changed_configuration_replaces_the_pods() -> None:
    def checksum(values: dict[str, Any]) -> str:
        return str(pod_of(rendered(values)[0], "gateway")["metadata"]["annotations"]["checksum/config"])

    changed = values_of("keys")
    changed["config"]["routing"] = {"eta": 0.7}
    assert checksum(values_of("keys")) == checksum(values_of("keys", gateway={"replicas": 5})) != checksum(changed)


def test_a_pod_drains_by_itself_and_is_given_the_time_for_it() -> None:
    found, _ = rendered(values_of("keys"))
    spec, server = pod_of(found, "gateway")["spec"], config_of(found).server
    (container,) = spec["containers"]
    assert "lifecycle" not in container
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    # Two failed probes and some time for load balancers.
    assert server.drain_s >= 2 * container["readinessProbe"]["periodSeconds"]
    assert spec["terminationGracePeriodSeconds"] >= server.drain_s + server.shutdown_grace_s + 15


def test_long_release_names_are_shortened_where_kubernetes_requires_it() -> None:
    found, _ = rendered(values_of("everything"), "a-release-name-of-fifty-three-characters-is-the-most-")
    assert all(len(name) <= 63 for _, name in found)


def test_every_value_is_in_the_schema_and_used_by_a_template() -> None:
    templates = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    schema, values = (
        json.loads((CHART / "values.schema.json").read_text()),
        yaml.safe_load((CHART / "values.yaml").read_text()),
    )
    for name, section in values.items():
        told = schema["properties"][name]
        if isinstance(section, dict) and told.get("additionalProperties") is False:
            assert set(section) <= set(told["properties"]), name
        assert re.search(rf"\.Values\.{name}\b", templates), name


def test_the_version_is_the_packages() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in pyproject
    assert chart["version"] == chart["appVersion"]
