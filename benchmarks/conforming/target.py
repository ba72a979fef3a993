"""A gateway in front of the backend, as its own process, both on loopback."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.conforming import upstream
from benchmarks.conforming.upstream import Seen
from gateway.demo.fetch import get_json
from gateway.demo.processes import free_port, running

KEY = "sk-conformance"
START_S = 60.0
BODY_LIMIT = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """Where clients go. log: the gateway's."""

    port: int
    seen: Seen
    log: Path

    @property
    def url(self) -> str:
        """OpenAI's base URL."""
        return f"http://127.0.0.1:{self.port}/v1"


@contextmanager
def started() -> Iterator[Target]:
    """Starts both, and ends both."""
    with TemporaryDirectory(prefix="conforming-") as folder, upstream.running() as seen:
        config, log, port = Path(folder) / "config.yaml", Path(folder) / "gateway.log", free_port()
        config.write_text(yaml.safe_dump(_config(seen.port, Path(folder))))
        arguments = ["gateway.cli", "serve", "--config", str(config), "--port", str(port)]
        with running("the gateway", arguments, log, {}) as child:
            child.wait_until(lambda: get_json(port, "/health/live") is not None, START_S)
            yield Target(port, seen, log)
            child.check()


def _config(port: int, folder: Path) -> dict[str, Any]:
    backend = {"kind": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "api_key": "sk-upstream"}
    return {
        "models": [{"name": name, "backends": [backend]} for name in upstream.MODELS],
        "state": {"url": f"sqlite:///{folder}/state.db"},
        "keys": [{"name": "client", "sha256": hashlib.sha256(KEY.encode()).hexdigest(), "default_task": "support"}],
        "tasks": {"tools": {"pin": "tools"}, "json": {"pin": "json"}},
        "server": {"max_body_bytes": BODY_LIMIT},
        "upstream": {"retries": 0, "breaker": {"consecutive_faults": 1000, "min_requests": 100_000}},
    }
