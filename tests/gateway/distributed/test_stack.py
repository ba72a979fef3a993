"""The Compose files' services, each started by its own command and environment as a process of this machine.

Names of services become ports of 127.0.0.1, and paths inside containers a folder of the test's. Prometheus and Grafana
are not to be had here; their files are read in tests/test_containers.py.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.init.providers import HOSTED
from gateway.config import load_config
from gateway.distributed import packs
from gateway.distributed.redis_client import RedisClient
from routing.embedder import Embedder
from tests.compose_files import FLEET, SINGLE, services_of
from tests.gateway.asking import ask, chat
from tests.gateway.cli.endpoints import listing
from tests.gateway.packs import inputs, saved_pack
from tests.gateway.redis_servers import free_port, needs_redis
from tests.gateway.waiting import eventually

ROOT = Path(__file__).parents[3]
INNER_PORTS = {
    "balancer": 8080,
    "gateway": 8080,
    "gateway-1": 8080,
    "gateway-2": 8080,
    "redis": 6379,
    "demo-models": 8101,
    "host.docker.internal": 11434,
}


@dataclass(frozen=True)
class Here:
    """The stack on this machine. ports: by service."""

    folder: Path
    services: Mapping[str, dict[str, Any]]
    ports: Mapping[str, int]

    def moved(self, service: str, text: str) -> str:
        """A word of the file, as it has to be on this machine. service: whose own port a bare one is."""
        for name, inner in INNER_PORTS.items():
            text = re.sub(rf"\b{name}:{inner}\b", f"127.0.0.1:{self.ports[name]}", text)
        text = text.replace("/var/lib/benchroute", str(self.folder / service)).replace(
            "/data", str(self.folder / "redis")
        )
        text = text.replace("/etc/benchroute/config.yaml", str(self.folder / "config.yaml"))
        text = text.replace("/etc/benchroute/nginx.conf", str(self.folder / "nginx.conf"))
        return "127.0.0.1" if text in ("0.0.0.0", "demo-models") else text  # noqa: S104 - nobody listens there

    def command(self, service: str) -> list[str]:
        told = self.services[service]
        words = [self.moved(service, word) for word in [*told.get("entrypoint", ()), *told.get("command", ())]]
        own = str(INNER_PORTS.get(service, ""))
        words = [str(self.ports[service]) if word == own else word for word in words]
        if words[0] == "serve":
            (self.folder / service).mkdir()
        if words[0] in ("serve", "scorer"):
            words = [sys.executable, "-m", "gateway.cli", *words]
        if words[0] == "redis-server":
            words += ["--port", str(self.ports[service]), "--bind", "127.0.0.1"]
        if words[0] == "python":
            words[0] = sys.executable
        return words

    def environment(self, service: str) -> dict[str, str]:
        # A variable without a value is the environment's.
        given = self.services[service].get("environment", {})
        told = {name: self.moved(service, value) for name, value in given.items() if value is not None}
        return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(self.folder), **told}

    def set_up(self) -> None:
        """Run the service that writes the configuration, to its end."""
        command, environment = self.command("setup"), {**os.environ, **self.environment("setup")}
        assert subprocess.run(command, env=environment, cwd=ROOT, check=False, timeout=100).returncode == 0
        with (self.folder / "config.yaml").open("a") as config:
            config.write("\nscorer: {nice: 0}\n")  # they do not stand back: who tests waits


def here(folder: Path, file: Path) -> Here:
    found = Here(folder, services_of(file), {name: free_port() for name in INNER_PORTS})
    (folder / "redis").mkdir()
    conf = (ROOT / "deploy/compose/nginx.conf").read_text()
    conf = found.moved("balancer", conf).replace("listen 8080", f"listen 127.0.0.1:{found.ports['balancer']}")
    (folder / "nginx.conf").write_text(conf.replace("/tmp/", f"{folder}/"))  # noqa: S108 - the container's
    return found


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env={**os.environ, **environment}, cwd=ROOT, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


@needs_redis
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_the_stack_comes_up_and_answers_through_its_balancer(embedder: Embedder, tmp_path: Path) -> None:
    stack = here(tmp_path, FLEET)
    order = ("gateway-1", "gateway-2", "scorer-1", "scorer-2", "balancer")
    url = f"http://127.0.0.1:{stack.ports['balancer']}"
    with ExitStack() as running:
        for service in ("redis", "demo-models"):
            running.enter_context(started(stack.command(service), stack.environment(service)))
        eventually(partial(is_healthy, stack, "demo-models"), 60)
        stack.set_up()
        for service in order:
            running.enter_context(started(stack.command(service), stack.environment(service)))
        for service in ("gateway-1", "gateway-2"):
            eventually(partial(is_healthy, stack, service), 60)
        eventually(partial(answers, url), 60)
        assert chat(url, task="first").status == 200
        pack = saved_pack(tmp_path / "pack", embedder, ("generalist-xl", "calc-1", "scribe-1"))
        client = RedisClient(f"redis://127.0.0.1:{stack.ports['redis']}/0")
        packs.activate_pack(client, packs.push_pack(client, pack, 1.0), 1.0)
        eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 60)
        for text in inputs("capitals", 10):
            assert chat(url, task="places", messages=[{"role": "user", "content": text}]).status == 200
        eventually(lambda: ask(url, "/v1/tasks/places").json.get("decision", {}).get("model") == "calc-1", 60)
        check = stack.services["scorer-1"]["healthcheck"]["test"][1:]
        words = [sys.executable if word == "python" else stack.moved("scorer-1", word) for word in check]
        assert (
            subprocess.run(words, env={**os.environ, **stack.environment("scorer-1")}, cwd=ROOT, check=False).returncode
            == 0
        )
        client.close_connections()


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in HOSTED:
        monkeypatch.delenv(provider.variable or "", raising=False)


@pytest.mark.slow
@pytest.mark.usefixtures("no_keys")
def test_one_gateway_comes_up_without_any_key_and_answers(tmp_path: Path) -> None:
    stack = here(tmp_path, SINGLE)
    url = f"http://127.0.0.1:{stack.ports['gateway']}"
    with ExitStack() as running:
        running.enter_context(started(stack.command("demo-models"), stack.environment("demo-models")))
        eventually(partial(is_healthy, stack, "demo-models"), 60)
        stack.set_up()
        running.enter_context(started(stack.command("gateway"), stack.environment("gateway")))
        eventually(partial(is_healthy, stack, "gateway"), 60)
        answer = chat(url, task="first")
        assert (answer.status, answer.ours("task")) == (200, "first")
        assert (tmp_path / "gateway/benchroute.db").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("no_keys")
def test_with_a_model_server_on_the_host_the_demo_is_left_out(tmp_path: Path) -> None:
    stack = here(tmp_path, SINGLE)
    with listing(["llama-3.1-8b", "qwen2.5-7b"], port=stack.ports["host.docker.internal"]) as url:
        stack.set_up()
    (tmp_path / "gateway").mkdir()
    config = load_config(tmp_path / "config.yaml", stack.environment("gateway"))
    assert {model.name: model.backends[0].base_url for model in config.models} == {
        "llama-3.1-8b": url,
        "qwen2.5-7b": url,
    }
    assert config.server.allow_unauthenticated
    assert str(tmp_path / "gateway") in config.state.url


def is_healthy(stack: Here, service: str) -> bool:
    """Run the service's own health check."""
    _, *check = stack.services[service]["healthcheck"]["test"]
    words = [sys.executable if word == "python" else word for word in check]
    inner = INNER_PORTS[service]
    words = [word.replace(f"127.0.0.1:{inner}", f"127.0.0.1:{stack.ports[service]}") for word in words]
    return subprocess.run(words, capture_output=True, cwd=ROOT, check=False, timeout=30).returncode == 0


def answers(url: str) -> bool:
    try:
        return ask(url, "/health/live").status == 200
    except OSError:
        return False
