"""The programs that are compared: configuration and command of each. All listen on 127.0.0.1."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from benchmarks.speed.errors import NotReady
from benchmarks.speed.loads import KEY, Load
from benchmarks.speed.programs import Command

LITELLM = "1.106.12"
"""The last version whose proxy installs from its own package."""

PRICE = {"input_usd_per_mtok": 0.5, "output_usd_per_mtok": 1.5}
MODELS = ("fast", "slow", "tls")


@dataclass(frozen=True, slots=True)
class Places:
    """Paths and ports of one run.

    Attributes:
        work: folder of configurations, logs and state.
        upstream: the backend's port.
        tls: the backend's port with TLS; None where nothing can terminate TLS.
        certificate: of the TLS port; None as tls.
        pack: the pack that decisions come from; None for none.
        python: the interpreter that the gateway runs on.
    """

    work: Path
    upstream: int
    tls: int | None
    certificate: Path | None
    pack: Path | None
    python: Path = Path(sys.executable)

    @property
    def models(self) -> Sequence[str]:
        """The models that a backend serves here."""
        return [model for model in MODELS if model != "tls" or self.tls is not None]

    @property
    def trust(self) -> dict[str, str]:
        """Environment variables that make a program trust the certificate."""
        return {} if self.certificate is None else {"SSL_CERT_FILE": str(self.certificate.resolve())}

    def base_url(self, model: str) -> str:
        """Return a backend's base URL."""
        return f"https://127.0.0.1:{self.tls}/v1" if model == "tls" else f"http://127.0.0.1:{self.upstream}/v1"


@dataclass(frozen=True, slots=True)
class Target:
    """One program to measure.

    Attributes:
        name: as in the tables.
        about: version and configuration, in words.
        command: starts it.
        ports: port to send to, by the load's model.
        routes: True if it takes `auto` and a task in place of a model.
        environment: variables added to the runner's own.
    """

    name: str
    about: str
    command: Command
    ports: Mapping[str, int]
    routes: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def port(self, load: Load) -> int:
        """Return the port that a load is sent to."""
        return self.ports[load.model]

    def request(self, load: Load) -> bytes:
        """Return the load's HTTP request as this target takes it."""
        return load.request("auto" if self.routes else load.model, load.model)


def nginx(places: Places, ports: Sequence[int], workers: int = 1) -> Target:
    """Return nginx as a plain reverse proxy: no keys, no limits, no body parsed. Raises NotReady without nginx."""
    program = shutil.which("nginx")
    if program is None:
        raise NotReady("nginx is not installed")
    folder = places.work / f"nginx-{workers}"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(_nginx_conf(places, ports, folder, workers))
    version_line = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr.strip()
    about = f"{version_line.rpartition(': ')[2]} as a reverse proxy, keep-alive, no buffering, no access log"
    command: Command = [program, "-c", config.resolve(), "-p", folder.resolve()]
    return Target("nginx", about, command, {model: ports[model == "tls"] for model in places.models})


def _nginx_conf(places: Places, ports: Sequence[int], folder: Path, workers: int) -> str:
    temporary = "\n".join(
        f"  {kind}_temp_path {folder.resolve()}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    proxied = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off;"
    keepalive = "keepalive 512; keepalive_requests 100000000;"
    servers = [
        f"  upstream {scheme} {{ server 127.0.0.1:{upstream}; {keepalive} }}\n"
        f"  server {{ listen 127.0.0.1:{port} backlog=1024 reuseport; "
        f"location / {{ proxy_pass {scheme}://{scheme}; {proxied} }} }}\n"
        for scheme, upstream, port in zip(("http", "https"), (places.upstream, places.tls), ports, strict=True)
        if upstream is not None
    ]
    process = "master_process off;" if workers == 1 else "master_process on;"
    return f"""daemon off; {process} worker_processes {workers}; pid nginx.pid; error_log error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; tcp_nodelay on; client_body_buffer_size 256k;
{temporary}
{"".join(servers)}}}
"""


def litellm(places: Places, port: int, venv: Path) -> Target:
    """Return LiteLLM's proxy as its documentation starts it, with a key and no database. Raises NotReady without it."""
    program = venv / "bin/litellm"
    if not program.exists():
        raise NotReady(f"litellm {LITELLM} is not installed in {venv}; `make bench` installs it")
    listed = [
        {
            "model_name": model,
            "litellm_params": {
                "model": f"openai/{model}",
                "api_base": places.base_url(model),
                "api_key": "sk-upstream",
            },
        }
        for model in places.models
    ]
    config = places.work / "litellm.yaml"
    config.write_text(yaml.safe_dump({"model_list": listed, "general_settings": {"master_key": KEY}}))
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        **places.trust,
        "PATH": f"{program.parent.resolve()}:{os.environ['PATH']}",
    }
    fixed = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    command: Command = [program, "--config", config, *fixed]
    about = f"LiteLLM's proxy {LITELLM}, one worker, a master key, no database; more work per request than the others"
    return Target("litellm", about, command, dict.fromkeys(places.models, port), False, environment)


def benchroute(places: Places, port: int, name: str = "benchroute", **server: Any) -> Target:
    """Return this gateway with all features on: key, limits, budget, prices, task, decision, observation, state."""
    config = places.work / f"{name}.yaml"
    state = (places.work / f"{name}.db").resolve()
    for leftover in places.work.glob(f"{name}.db*"):
        leftover.unlink()
    key = {
        "name": "bench",
        "sha256": hashlib.sha256(KEY.encode()).hexdigest(),
        "requests_per_minute": 1e9,
        "tokens_per_minute": 1e12,
        "budget_usd_per_day": 1_000_000_000,
        "budget_usd_per_month": 10_000_000_000,
    }
    listed = [
        {
            "name": model,
            "price": PRICE,
            "context_window": 131_072,
            "supports": ["tools", "json_schema"],
            "backends": [{"kind": "openai", "base_url": places.base_url(model), "api_key": "sk-upstream"}],
        }
        for model in places.models
    ]
    sections = {
        "models": listed,
        "routing": {"pack": str(places.pack.resolve())} if places.pack else {},
        "tasks": {model: {"candidates": [model]} for model in places.models},
        "state": {"url": f"sqlite:///{state}"},
        "keys": [key],
        "server": {"host": "127.0.0.1", "port": port, **server},
    }
    config.write_text(yaml.safe_dump(sections))
    about = f"benchroute {version('benchroute')}, " + ", ".join(f"{name} {value}" for name, value in server.items())
    command: Command = [places.python, "-m", "gateway.cli", "serve", "--config", config, "--log-level", "warning"]
    # The sources of an editable installation are compiled at the first start, as pip compiles those of a wheel.
    environment = {**places.trust, "PYTHONDONTWRITEBYTECODE": ""}
    return Target(name, about.rstrip(", "), command, dict.fromkeys(places.models, port), True, environment)
