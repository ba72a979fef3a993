"""What can be known of the Dockerfile and the Compose files without a container engine."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from inspect import signature
from pathlib import Path

import pytest
import yaml

from gateway.cli.init.command import render_config
from gateway.cli.init.providers import HOSTED, ChosenModel, Provider
from gateway.cli.serve import serve_command
from gateway.config.load import parse_config
from tests.compose_files import FLEET, SINGLE, services_of

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
    assert {"gateway", "routing", "pyproject.toml"} <= set(sources)
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


def test_the_image_needs_no_pytorch_and_no_other_init_process(dockerfile: list[tuple[str, str]]) -> None:
    extras = next(rest for rest in of(dockerfile, "ARG") if rest.startswith("EXTRAS="))
    assert extras == 'EXTRAS="scorer,redis,encodings"'
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = [one for extra in ("scorer", "redis", "encodings") for one in needed[extra]]
    assert not any(re.match("torch|sentence|transformers|benchroute", name) for name in names)
    assert "tini" not in " ".join(of(dockerfile, "RUN") + of(dockerfile, "ENTRYPOINT"))


@pytest.fixture(scope="module", params=[SINGLE, FLEET], ids=["single", "fleet"])
def compose(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_one_file_is_a_gateway_and_the_other_a_fleet(compose: Path) -> None:
    fleet = {"balancer", "gateway-1", "gateway-2", "scorer-1", "scorer-2", "redis", "prometheus", "grafana"}
    services = services_of(compose)
    assert set(services) == {"setup", "demo-models"} | (fleet if compose == FLEET else {"gateway"})
    assert not any("profiles" in service for service in services.values())


def test_redis_keeps_what_it_has(compose: Path) -> None:
    for redis in [service for name, service in services_of(compose).items() if name == "redis"]:
        command = redis["command"]
        assert command[command.index("--appendonly") + 1] == "yes"
        assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_every_service_is_pinned_checked_limited_and_hardened(compose: Path) -> None:
    for name, service in services_of(compose).items():
        assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), name
        assert name == "setup" or service["healthcheck"]["test"][0] == "CMD", name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"]), name
        assert "init" not in service, name


def test_health_checks_of_ours_ask_no_proxy(compose: Path) -> None:
    for name, service in services_of(compose).items():
        if service["image"].startswith("benchroute") and name != "setup":
            assert re.match("CMD python -m gateway.*health ", " ".join(service["healthcheck"]["test"])), name


def test_compose_mounts_what_exists_and_declares_its_volumes(compose: Path) -> None:
    services = services_of(compose)
    mounts = [(service, mount.split(":")) for service in services.values() for mount in service.get("volumes", ())]
    named = {source for _, (source, *_) in mounts if not source.startswith(".")}
    assert named == set(yaml.safe_load(compose.read_text())["volumes"])
    for service, (source, *_) in mounts:
        file = SINGLE if service is services.get("demo-models") else compose
        assert not source.startswith(".") or source == "../../packs" or (file.parent / source).exists(), source


def test_a_configuration_of_ones_own_takes_the_generated_ones_place(compose: Path) -> None:
    services = services_of(compose, {"BENCHROUTE_CONFIG": "./mine"})
    mounted = {name for name, service in services.items() if "./mine:/etc/benchroute:ro" in service.get("volumes", ())}
    assert mounted == {name for name in services if name.startswith(("gateway", "scorer"))}
    assert services["setup"]["volumes"] == ["generated:/etc/benchroute"]


def test_compose_publishes_ports_on_this_machine_only(compose: Path) -> None:
    ports = [port for service in services_of(compose).values() for port in service.get("ports", ())]
    assert len(ports) == (2 if compose == FLEET else 1)
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_providers_key_reaches_who_asks_it(compose: Path) -> None:
    variables = {provider.variable for provider in HOSTED}
    for name, service in services_of(compose).items():
        if name.startswith(("gateway", "scorer", "setup")):
            passed = {key for key, value in service["environment"].items() if value is None}
            assert passed == variables, name


def test_what_init_writes_fits_the_containers(compose: Path, tmp_path: Path) -> None:
    text = render_config([ChosenModel("m", Provider("p", "http://p/v1"), "m")], None, 8100)
    for name, service in services_of(compose).items():
        if name.startswith("gateway"):
            environment = {
                key: value.replace(STATE, str(tmp_path))
                for key, value in service["environment"].items()
                if value is not None
            }
            config = parse_config(text, "config.yaml", environment)
            assert config.server.allow_unauthenticated
            assert config.state.is_shared is (compose == FLEET)
            grace_s = config.server.drain_s + config.server.shutdown_grace_s + 15
            assert config.server.drain_s == (5 if compose == FLEET else 0)
            assert int(service["stop_grace_period"].removesuffix("s")) >= grace_s


def test_prometheus_and_grafana_are_told_of_what_there_is() -> None:
    services = services_of(FLEET)
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


@pytest.mark.slow
def test_compose_itself_reads_the_file(compose: Path) -> None:
    commands = (["docker", "compose"], ["docker-compose"])
    found = [
        one
        for one in commands
        if shutil.which(one[0]) and subprocess.run([*one, "version"], check=False).returncode == 0
    ]
    if not found:
        pytest.skip("Docker Compose is not installed")
    subprocess.run([*found[0], "-f", str(compose), "config", "--quiet"], check=True)
