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

from gateway.cli.serve import serve
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
    assert name == serve.__name__
    known = {f"--{parameter.replace('_', '-')}" for parameter in signature(serve).parameters}
    assert {argument for argument in arguments if argument.startswith("--")} <= known


def test_health_is_asked_where_the_gateway_listens(final: list[tuple[str, str]]) -> None:
    (port,), (check,), (command,) = of(final, "EXPOSE"), of(final, "HEALTHCHECK"), of(final, "CMD")
    assert f"http://127.0.0.1:{port}/health/live" in check
    assert json.loads(command)[-2:] == ["--port", port]


def test_compose_starts_the_gateway_alone_and_has_redis_ready(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, service in services.items() if "profiles" not in service] == ["gateway"]
    redis = services["redis"]
    assert redis["image"] == "redis:7"
    assert redis["command"][-2:] == ["--appendonly", "yes"]
    assert redis["profiles"] == ["distributed"]
    assert redis["healthcheck"]["test"] == ["CMD", "redis-cli", "ping"]


def test_compose_mounts_what_exists_and_declares_its_volumes(
    compose: dict[str, Any], final: list[tuple[str, str]]
) -> None:
    mounts = [mount.split(":") for service in compose["services"].values() for mount in service.get("volumes", ())]
    targets = {source: target for source, target, *_ in mounts}
    assert {source for source in targets if not source.startswith(".")} == set(compose["volumes"])
    assert (ROOT / "config.yaml").exists()
    assert targets["./config.yaml"] in json.loads(of(final, "CMD")[0])
    assert targets["state"] == STATE


def test_compose_publishes_the_port_of_the_image_on_this_machine_only(
    compose: dict[str, Any], final: list[tuple[str, str]]
) -> None:
    (published,) = compose["services"]["gateway"]["ports"]
    assert published.startswith("127.0.0.1:")
    assert published.endswith(f":{of(final, 'EXPOSE')[0]}")


def test_the_configuration_fits_the_container_as_it_stands(compose: dict[str, Any], tmp_path: Path) -> None:
    environment = dict(compose["services"]["gateway"]["environment"])
    assert environment["BENCHROUTE_STATE"] == f"sqlite:///{STATE}/benchroute.db"
    here = {"BENCHROUTE_PACK": "", "BENCHROUTE_STATE": f"sqlite:///{tmp_path}/benchroute.db"}
    config = parse_config((ROOT / "config.yaml").read_text(), "config.yaml", {**environment, **here})
    (backend,) = config.models[0].backends
    assert backend.base_url == f"http://demo-models:{compose['services']['demo-models']['entrypoint'][-1]}/v1"
