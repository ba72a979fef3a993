"""What can be known of Dockerfile and docker-compose.yml without a container engine."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli.serve import serve_command
from gateway.config.load import parse_config

ROOT = Path(__file__).parents[1]
STATE = "/var/lib/benchroute"


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """(instruction, arguments) of a Dockerfile, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word, rest.strip()


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    return list(instructions((ROOT / "Dockerfile").read_text()))


@pytest.fixture(scope="module")
def final(dockerfile: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The instructions of the last stage."""
    starts = [place for place, (word, _) in enumerate(dockerfile) if word == "FROM"]
    return dockerfile[starts[-1] :]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def of(stage: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for found, rest in stage if found == word]


def test_the_image_is_built_in_two_stages_and_compiles_in_the_first_only(
    dockerfile: list[tuple[str, str]], final: list[tuple[str, str]]
) -> None:
    assert len(of(dockerfile, "FROM")) == 2
    assert " AS builder" in of(dockerfile, "FROM")[0]
    assert any("g++" in command for command in of(dockerfile, "RUN"))
    assert not any(re.search(r"apt-get|pip|g\+\+", command) for command in of(final, "RUN"))


def test_what_is_compiled_runs_on_other_processors_too(dockerfile: list[tuple[str, str]]) -> None:
    assert any("HNSWLIB_NO_NATIVE=1" in variables for variables in of(dockerfile, "ENV"))


def test_the_image_runs_as_a_user_with_a_fixed_number_who_owns_the_state(final: list[tuple[str, str]]) -> None:
    (user,) = of(final, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert f"--uid {user.split(':')[0]}" in of(final, "RUN")[0]
    assert of(final, "VOLUME") == [STATE]
    assert f"sqlite:///{STATE}/" in " ".join(of(final, "ENV"))


def test_everything_that_is_copied_exists_and_reaches_the_builder(dockerfile: list[tuple[str, str]]) -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    sources = [
        source for rest in of(dockerfile, "COPY") if not rest.startswith("--from") for source in rest.split()[:-1]
    ]
    assert {"gateway", "routing", "pyproject.toml", "config.yaml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        matching = [line for line in ignored if fnmatch(source, line.removeprefix("!"))]
        assert matching[-1].startswith("!"), source


def test_the_command_is_one_that_the_program_has(final: list[tuple[str, str]]) -> None:
    (entrypoint,), (command,) = of(final, "ENTRYPOINT"), of(final, "CMD")
    assert json.loads(entrypoint) == ["benchroute"]
    name, *arguments = json.loads(command)
    assert name == "serve"
    known = {f"--{parameter.replace('_', '-')}" for parameter in signature(serve_command).parameters}
    assert {argument for argument in arguments if argument.startswith("--")} <= known


def test_health_is_asked_where_the_gateway_listens(final: list[tuple[str, str]]) -> None:
    (port,), (check,), (command,) = of(final, "EXPOSE"), of(final, "HEALTHCHECK"), of(final, "CMD")
    assert f"http://127.0.0.1:{port}/health/live" in check
    assert json.loads(command)[-2:] == ["--port", port]


def services_of(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


def test_compose_is_two_gateways_behind_a_balancer_two_scorers_and_what_they_need(compose: dict[str, Any]) -> None:
    services = services_of(compose)
    always = {name for name, service in services.items() if "profiles" not in service}
    assert always == {
        "balancer", "gateway-1", "gateway-2", "scorer-1", "scorer-2", "redis", "prometheus", "grafana"
    }  # fmt: skip
    assert services["demo-models"]["profiles"] == ["demo"]
    command = services["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_every_service_is_pinned_checked_limited_and_hardened(compose: dict[str, Any]) -> None:
    for name, service in services_of(compose).items():
        assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"]), name


def test_compose_mounts_what_exists_and_declares_its_volumes(compose: dict[str, Any]) -> None:
    mounts = [mount.split(":") for service in services_of(compose).values() for mount in service.get("volumes", ())]
    assert {source for source, *_ in mounts if not source.startswith(".")} == set(compose["volumes"])
    for source, *_ in mounts:
        assert not source.startswith(".") or source == "./packs" or (ROOT / source).exists(), source


def test_compose_publishes_ports_on_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in services_of(compose).values() for port in service.get("ports", ())]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_prometheus_and_grafana_are_told_of_what_there_is(compose: dict[str, Any]) -> None:
    services = services_of(compose)
    prometheus = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text())
    (scraped,) = prometheus["scrape_configs"]
    targets = {target.split(":")[0] for config in scraped["static_configs"] for target in config["targets"]}
    assert targets == {"gateway-1", "gateway-2"} <= set(services)
    mounted = {mount.split(":")[1] for mount in services["prometheus"]["volumes"]}
    assert {f"/etc/prometheus/{rules}" for rules in prometheus["rule_files"]} <= mounted
    provisioning = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards/benchroute.yaml").read_text())["providers"]
    folder = provider["options"]["path"]
    assert any(mount.split(":")[1].startswith(folder) for mount in services["grafana"]["volumes"])
    assert json.loads((ROOT / "deploy/grafana/benchroute.json").read_text())["uid"] == "benchroute"


def test_the_configuration_fits_the_container_as_it_stands(compose: dict[str, Any]) -> None:
    environment = services_of(compose)["gateway-1"]["environment"]
    config = parse_config((ROOT / "config.yaml").read_text(), "config.yaml", environment)
    assert config.state.is_shared
    assert config.state.cache_dir.startswith(STATE)
    (backend,) = config.models[0].backends
    assert backend.base_url == f"http://demo-models:{compose['services']['demo-models']['entrypoint'][-1]}/v1"


def test_a_gateway_drains_by_itself_and_is_given_the_time_for_it(compose: dict[str, Any]) -> None:
    for name in ("gateway-1", "gateway-2"):
        service = services_of(compose)[name]
        server = parse_config((ROOT / "config.yaml").read_text(), "config.yaml", service["environment"]).server
        assert server.drain_s == 5
        assert int(service["stop_grace_period"].removesuffix("s")) >= server.drain_s + server.shutdown_grace_s + 15
