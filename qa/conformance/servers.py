"""The two programs of a run: an upstream that answers like OpenAI, and a gateway in front of it."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from demo.fetch import get_json
from demo.processes import free_port, run_process
from qa.conformance.upstream.models import MODELS

KEY = "sk-conformance"
READY_S = 60.0
MAX_BODY_BYTES = 2_000_000
KEEPALIVE_S = 0.5
"""Shorter than the upstream's silences, so that clients get the gateway's keepalive comments."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange as the upstream recorded it.

    Attributes:
        method: of the request.
        path: of the request.
        headers: with lower-case names.
        received: the request's body.
        sent: the response's body, as far as it was sent.
        ending: "going on", "answered", or "left" if the gateway disconnected.
    """

    method: str
    path: str
    headers: dict[str, str]
    received: bytes
    sent: bytes
    ending: str

    @property
    def body(self) -> dict[str, Any]:
        """The request as JSON; {} if it is no object."""
        found = json.loads(self.received)
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Target:
    """The programs that a check talks to.

    Attributes:
        port: the gateway's.
        upstream_port: to query exchanges.
        work: a folder for files.
        node: the folder in which npm installed openai for Node.
        key: the client's API key.
    """

    port: int
    upstream_port: int
    work: Path
    node: Path
    key: str = KEY

    @property
    def base_url(self) -> str:
        """The base URL for an OpenAI client."""
        return f"http://127.0.0.1:{self.port}/v1"

    def exchanges(self, marker: str) -> list[Exchange]:
        """Return the exchanges whose request contains the marker, in order of arrival."""
        return [_exchange(one) for one in _get(self.upstream_port, f"/exchanges?marker={marker}", {})]

    def get(self, path: str) -> Any:
        """Return the JSON at a path of the gateway, with the client's key."""
        return _get(self.port, path, {"authorization": f"Bearer {self.key}"})


def _get(port: int, path: str, headers: dict[str, str]) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@contextmanager
def running_servers(work: Path, node: Path) -> Iterator[Target]:
    """Run an upstream and a gateway during the block."""
    work.mkdir(parents=True, exist_ok=True)
    upstream_port, port = free_port(), free_port()
    for leftover in work.glob("state.db*"):
        leftover.unlink()
    config = work / "config.yaml"
    config.write_text(yaml.safe_dump(_config(work, upstream_port)))
    serve_command = ["gateway.cli", "serve", "--config", str(config), "--port", str(port)]
    with run_process("the upstream", ["qa.conformance.upstream", str(upstream_port)], work / "upstream.log", {}) as up:
        up.wait_until(lambda: get_json(upstream_port, "/v1/models") is not None, READY_S)
        with run_process("the gateway", serve_command, work / "gateway.log", {}) as child:
            child.wait_until(lambda: get_json(port, "/health/live") is not None, READY_S)
            yield Target(port, upstream_port, work.resolve(), node.resolve())
            child.check()


def _config(work: Path, upstream_port: int) -> dict[str, Any]:
    backend = {
        "kind": "openai",
        "base_url": f"http://127.0.0.1:{upstream_port}/v1",
        "api_key": "sk-upstream",
        "speaks_messages": True,
    }
    return {
        "models": [{"name": name, "backends": [backend]} for name in MODELS],
        "state": {"url": f"sqlite:///{(work / 'state.db').resolve()}"},
        "keys": [{"name": "conformance", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}],
        "server": {"max_body_bytes": MAX_BODY_BYTES},
        # Faults are asked for here: one attempt each, and no breaker that remembers them.
        "upstream": {
            "keepalive_s": KEEPALIVE_S,
            "retries": 0,
            "max_attempts": 1,
            "breaker": {"consecutive_faults": 10**6, "min_requests": 10**6},
        },
    }


def _exchange(recorded: dict[str, Any]) -> Exchange:
    received, sent = (base64.b64decode(recorded.pop(name)) for name in ("received", "sent"))
    return Exchange(**recorded, received=received, sent=sent)
