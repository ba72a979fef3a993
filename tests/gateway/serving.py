"""A gateway in this process, on a port of its own."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
import yaml

from gateway.app import Gateway
from gateway.config import parse_config


def configuration(base_url: str, models: Sequence[str], **sections: Any) -> str:
    """A config.yaml whose models are named as the upstream's behaviours."""
    listed = [{"name": name, "backends": [{"kind": "openai", "base_url": base_url}]} for name in models]
    return yaml.safe_dump({"models": listed, **sections})


@contextmanager
def running_gateway(text: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Gives its base URL, without /v1."""
    gateway = Gateway(parse_config(text, "config.yaml", environment or {}))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            gateway, http="httptools", ws="none", lifespan="on", log_config=None, access_log=False, server_header=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(15)
