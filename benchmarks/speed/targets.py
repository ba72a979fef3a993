"""What is measured: how each is configured and started. Every one of them listens on ports of 127.0.0.1."""

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
"""The last one whose proxy installs from its own package."""

PRICE = {"input_usd_per_mtok": 0.5, "output_usd_per_mtok": 1.5}
MODELS = ("fast", "slow", "tls")


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are. work: configurations, logs, state. upstream, tls: the backend's ports. pack: for decisions.
    python: the one that the gateway runs on.
    """

    work: Path
    upstream: int
    tls: int
    certificate: Path
    pack: Path | None
    python: Path = Path(sys.executable)

    def base_url(self, model: str) -> str:
        """A backend's address."""
        return f"https://127.0.0.1:{self.tls}/v1" if model == "tls" else f"http://127.0.0.1:{self.upstream}/v1"


@dataclass(frozen=True, slots=True)
class Target:
    """One that is measured. ports: by backend. routes: whether it takes `auto` and a task in place of a model."""

    name: str
    about: str
    command: Command
    ports: Mapping[str, int]
    routes: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def port(self, load: Load) -> int:
        """Where a load goes."""
        return self.ports[load.model]

    def request(self, load: Load) -> bytes:
        """A load as this target is asked it."""
        return load.request("auto" if self.routes else load.model, load.model)


def nginx(places: Places, ports: Sequence[int], workers: int = 1) -> Target:
    """A plain reverse proxy of one process: no keys, no limits, nothing read. Raises NotReady where there is none."""
    program = shutil.which("nginx")
    if program is None:
        raise NotReady("nginx is not installed")
    folder = places.work / f"nginx-{workers}"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(_nginx_conf(places, ports, folder, workers))
    told = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr.strip()
    shown = f"{told.rpartition(': ')[2]} as a reverse proxy, kept connections, no buffering, no access log"
    command: Command = [program, "-c", config.resolve(), "-p", folder.resolve()]
    return Target("nginx", shown, command, {"fast": ports[0], "slow": ports[0], "tls": ports[1]})


def _nginx_conf(places: Places, ports: Sequence[int], folder: Path, workers: int) -> str:
    temporary = "\n".join(
        f"  {kind}_temp_path {folder.resolve()}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    proxied = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off;"
    kept = "keepalive 512; keepalive_requests 100000000;"
    process = "master_process off;" if workers == 1 else "master_process on;"
    return f"""daemon off; {process} worker_processes {workers}; pid nginx.pid; error_log error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; tcp_nodelay on; client_body_buffer_size 256k;
{temporary}
  upstream plain {{ server 127.0.0.1:{places.upstream}; {kept} }}
  upstream secure {{ server 127.0.0.1:{places.tls}; {kept} }}
  server {{ listen 127.0.0.1:{ports[0]} backlog=1024 reuseport; location / {{ proxy_pass http://plain; {proxied} }} }}
  server {{ listen 127.0.0.1:{ports[1]} backlog=1024 reuseport; location / {{ proxy_pass https://secure; {proxied} }} }}
}}
"""


def litellm(places: Places, port: int, venv: Path) -> Target:
    """LiteLLM's proxy, as its documentation starts it, with a key and without a database."""
    program = venv / "bin/litellm"
    if not program.exists():
        raise NotReady(f"litellm {LITELLM} is not installed in {venv}: make bench does that")
    listed = [
        {
            "model_name": model,
            "litellm_params": {
                "model": f"openai/{model}",
                "api_base": places.base_url(model),
                "api_key": "sk-upstream",
            },
        }
        for model in MODELS
    ]
    config = places.work / "litellm.yaml"
    config.write_text(yaml.safe_dump({"model_list": listed, "general_settings": {"master_key": KEY}}))
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "SSL_CERT_FILE": str(places.certificate.resolve()),
        "PATH": f"{program.parent.resolve()}:{os.environ['PATH']}",
    }
    fixed = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    command: Command = [program, "--config", config, *fixed]
    about = f"LiteLLM's proxy {LITELLM}, one worker, a master key, no database; it does more for a request than others"
    return Target("litellm", about, command, dict.fromkeys(MODELS, port), False, environment)


def benchroute(places: Places, port: int, name: str = "benchroute", **server: Any) -> Target:
    """This gateway with everything on: key, limits, budget, prices, task, decision, observation, metrics, state."""
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
        for model in MODELS
    ]
    sections = {
        "models": listed,
        "routing": {"pack": str(places.pack.resolve())} if places.pack else {},
        "tasks": {model: {"candidates": [model]} for model in MODELS},
        "state": {"url": f"sqlite:///{state}"},
        "keys": [key],
        "server": {"host": "127.0.0.1", "port": port, **server},
    }
    config.write_text(yaml.safe_dump(sections))
    about = f"benchroute {version('benchroute')}, " + ", ".join(f"{name} {value}" for name, value in server.items())
    command: Command = [places.python, "-m", "gateway.cli", "serve", "--config", config, "--log-level", "warning"]
    environment = {"SSL_CERT_FILE": str(places.certificate.resolve())}
    return Target(name, about.rstrip(", "), command, dict.fromkeys(MODELS, port), True, environment)
