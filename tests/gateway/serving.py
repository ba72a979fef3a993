"""A gateway in this process, on a port of its own."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
import yaml

from gateway.config import parse_config
from gateway.config.history import ConfigFile, ConfigSource, config_digest
from gateway.http.strict_protocol import StrictHttpProtocol
from gateway.proxy.protocol import ProxyProtocol
from gateway.server.app import Gateway
from tests.gateway.waiting import eventually


def configuration(base_url: str, models: Sequence[str], **sections: Any) -> str:
    """Return a config.yaml with a model for each behaviour of the upstream; its scorer has normal priority."""
    listed = [{"name": name, "backends": [{"kind": "openai", "base_url": base_url}]} for name in models]
    return yaml.safe_dump({"models": listed, "scorer": {"nice": 0}, **sections})


@dataclass(frozen=True)
class Serving:
    """A running gateway. url: without /v1."""

    url: str
    gateway: Gateway
    loop: asyncio.AbstractEventLoop

    @property
    def scorer_pid(self) -> int | None:
        """The scorer's process ID."""
        return self.gateway.scorer_pid

    def reload(self, text: str) -> None:
        """Apply this configuration as SIGHUP does; return when it is active."""
        config = parse_config(text, "config.yaml", {})
        asyncio.run_coroutine_threadsafe(self.gateway.runtime.reload(config), self.loop).result(60)

    def cut(self) -> None:
        """Abort all requests in flight, as a shutdown does after its grace period; the gateway continues."""
        self.loop.call_soon_threadsafe(self.gateway.abort_requests)


@contextmanager
def running_gateway(text: str) -> Iterator[str]:
    """Run a gateway during the block; yields its base URL, without /v1."""
    with serving_gateway(text) as serving:
        yield serving.url


@contextmanager
def serving_gateway(
    text: str, path: Path | None = None, loop: asyncio.AbstractEventLoop | None = None
) -> Iterator[Serving]:
    """Run a gateway in a thread with its own event loop. path: the file that a reload reads. loop: in its place."""
    if path is not None:
        path.write_text(text)
    origin = None if path is None else ConfigSource(ConfigFile(path), config_digest(text))
    parsed = parse_config(text, "config.yaml", {})
    gateway = Gateway(parsed, origin)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        http = ProxyProtocol if parsed.server.lane == "express" else StrictHttpProtocol
        config = uvicorn.Config(
            gateway,
            http=http,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=parsed.server.keep_alive_s,  # type: ignore[arg-type]  # uvicorn takes any number
        )
        server, loop = uvicorn.Server(config), loop or asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_until_complete, args=(server.serve([listening]),), daemon=True)
        thread.start()
        eventually(lambda: server.started or not thread.is_alive(), 60)
        assert thread.is_alive()
        try:
            yield Serving(f"http://127.0.0.1:{listening.getsockname()[1]}", gateway, loop)
        finally:
            server.should_exit = True
            thread.join(15)
            loop.close()
