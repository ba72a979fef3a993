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

KEY = "sk-conformance"
READY_S = 60.0
MODELS = ("gpt-conformance", "other-conformance", "endless", "slow", "e400", "e401", "e404", "e429", "e500")
"""What the gateway serves; the upstream does what a name says."""

MAX_BODY_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the upstream received and sent. ending: "going on", "answered", or "left": by the gateway, in the middle."""

    method: str
    path: str
    headers: dict[str, str]
    received: bytes
    sent: bytes
    ending: str

    @property
    def body(self) -> dict[str, Any]:
        """The request as JSON."""
        found = json.loads(self.received)
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a check goes. port: the gateway's; upstream_port: to ask what arrived; work: a folder for files.

    node: where npm has installed openai for Node.
    """

    port: int
    upstream_port: int
    work: Path
    node: Path
    key: str = KEY

    @property
    def base_url(self) -> str:
        """What an OpenAI client is given."""
        return f"http://127.0.0.1:{self.port}/v1"

    def exchanges(self, marker: str) -> list[Exchange]:
        """Those whose request holds the marker, in the order in which they arrived."""
        connection = HTTPConnection("127.0.0.1", self.upstream_port, timeout=10)
        try:
            connection.request("GET", f"/exchanges?marker={marker}")
            found = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return [_exchange(one) for one in found]


@contextmanager
def both(work: Path, node: Path) -> Iterator[Target]:
    """An upstream and a gateway, both answering."""
    work.mkdir(parents=True, exist_ok=True)
    upstream_port, port = free_port(), free_port()
    for leftover in work.glob("state.db*"):
        leftover.unlink()
    config = work / "config.yaml"
    config.write_text(yaml.safe_dump(_config(work, upstream_port)))
    serving = ["gateway.cli", "serve", "--config", str(config), "--port", str(port)]
    with run_process("the upstream", ["qa.conformance.upstream", str(upstream_port)], work / "upstream.log", {}) as up:
        up.wait_until(lambda: get_json(upstream_port, "/v1/models") is not None, READY_S)
        with run_process("the gateway", serving, work / "gateway.log", {}) as child:
            child.wait_until(lambda: get_json(port, "/health/live") is not None, READY_S)
            yield Target(port, upstream_port, work.resolve(), node.resolve())
            child.check()


def _config(work: Path, upstream_port: int) -> dict[str, Any]:
    backend = {"kind": "openai", "base_url": f"http://127.0.0.1:{upstream_port}/v1", "api_key": "sk-upstream"}
    return {
        "models": [{"name": name, "backends": [backend]} for name in MODELS],
        "state": {"url": f"sqlite:///{(work / 'state.db').resolve()}"},
        "keys": [{"name": "conformance", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}],
        "server": {"max_body_bytes": MAX_BODY_BYTES},
        # Faults are asked for here: one attempt each, and no breaker that remembers them.
        "upstream": {
            "retries": 0,
            "max_attempts": 1,
            "breaker": {"consecutive_faults": 10**6, "min_requests": 10**6},
        },
    }


def _exchange(told: dict[str, Any]) -> Exchange:
    received, sent = (base64.b64decode(told.pop(name)) for name in ("received", "sent"))
    return Exchange(**told, received=received, sent=sent)
