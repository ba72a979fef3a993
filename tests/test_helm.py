"""The Helm chart, rendered and held against Kubernetes' schema.

helm itself is seldom to be had where tests run: a small program in Go renders the templates, with the same library and
those functions that the chart uses. Without Go the chart is only read.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.config.load import parse_config

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy/helm/benchroute"
KUBERNETES = "1.31"
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go to render templates with")


def values() -> dict[str, Any]:
    return dict(yaml.safe_load((CHART / "values.yaml").read_text()))


def rendered(folder: Path, given: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """By kind and name."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    about = {"Chart": {name[0].upper() + name[1:]: value for name, value in chart.items()}, "Values": given}
    (folder / "values.json").write_text(json.dumps(about))
    command = ["go", "run", str(ROOT / "tests/helm/render.go"), str(CHART), str(folder / "values.json"), "mine"]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert made.returncode == 0, made.stderr
    found = [document for document in yaml.safe_load_all(made.stdout) if document]
    return {(document["kind"], document["metadata"]["name"]): document for document in found}


@needs_go
@pytest.mark.slow
def test_what_the_chart_renders_is_what_kubernetes_takes(tmp_path: Path) -> None:
    found = rendered(tmp_path, values())
    for document in found.values():
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    for part in ("gateway", "scorer"):
        name = f"mine-{part}"
        pod = found["Deployment", name]["spec"]["template"]
        for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler"):
            assert (kind, name) in found
        selector = found["PodDisruptionBudget", name]["spec"]["selector"]["matchLabels"]
        assert selector.items() <= pod["metadata"]["labels"].items()
        assert found["HorizontalPodAutoscaler", name]["spec"]["scaleTargetRef"]["name"] == name
        (container,) = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
    text = found["ConfigMap", "mine-config"]["data"]["config.yaml"]
    config = parse_config(text, "config.yaml", {"BENCHROUTE_STATE": "redis://redis:6379/0"})
    assert config.state.is_shared


@needs_go
@pytest.mark.slow
def test_without_autoscaling_and_with_a_secret_it_is_valid_too(tmp_path: Path) -> None:
    given = values()
    given["gateway"]["autoscaling"]["enabled"] = given["scorer"]["autoscaling"]["enabled"] = False
    given["redis"]["existingSecret"] = "redis-url"
    given["secretEnvironment"] = [{"name": "KEY", "secret": "keys", "key": "openai"}]
    found = rendered(tmp_path, given)
    for document in found.values():
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    assert found["Deployment", "mine-gateway"]["spec"]["replicas"] == 2
    assert not any(kind == "HorizontalPodAutoscaler" for kind, _ in found)


def test_the_chart_asks_for_no_value_that_it_does_not_have() -> None:
    given = values()
    for template in (CHART / "templates").iterdir():
        for path in re.findall(r"\.Values\.([A-Za-z.]+)", template.read_text()):
            place: Any = given
            for name in path.split("."):
                assert name in place, path
                place = place[name]


def test_a_pod_drains_by_itself_and_is_given_the_time_for_it() -> None:
    given, template = values(), (CHART / "templates/gateway.yaml").read_text()
    server = parse_config(yaml.safe_dump(given["config"]), "values.yaml", {"BENCHROUTE_STATE": "redis://redis"}).server
    assert "preStop" not in template
    assert "/health/ready" in template
    assert server.drain_s >= 5
    assert given["gateway"]["terminationGracePeriodSeconds"] >= server.drain_s + server.shutdown_grace_s + 15
