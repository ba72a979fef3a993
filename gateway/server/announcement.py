"""What a gateway logs once it listens: its addresses, its files, and what a client needs."""

import logging
from collections.abc import Iterator
from pathlib import Path

from gateway.config import LOOPBACK, Config
from gateway.config.address import base_url
from gateway.config.secrets import mask_url
from gateway.vocabulary import AUTO

log = logging.getLogger("benchroute")

SQLITE = "sqlite:///"


def announce_gateway(config: Config, path: Path, port: int, needs_key: bool) -> None:
    """Log where the gateway is, for people and for whoever searches its log."""
    for line in describe_gateway(config, path, port, needs_key):
        log.info("%s", line)


def describe_gateway(config: Config, path: Path, port: int, needs_key: bool) -> Iterator[str]:
    """Yield the lines, without secrets.

    path: of the configuration. port: that the gateway listens on. needs_key: clients need an API key.
    """
    url = base_url(config.server.host, port)
    all_addresses = "" if config.server.host in LOOPBACK else f" (listening on {config.server.host or 'all addresses'})"
    key = "a client key (`benchroute keys create`)" if needs_key else "any API key, since none is configured"
    yield f"API: {url}/v1{all_addresses}"
    yield f"dashboard: {url}/ui/"
    yield f"config: {path.resolve()}; state: {_state(config.state.url)}; pack: {config.routing.pack or 'none'}"
    yield f"client: OPENAI_BASE_URL={url}/v1, model `{AUTO}`, {key}; header X-Task-Id names the task"


def _state(url: str) -> str:
    """Return a state's place: the path of a file, or a URL without its password."""
    if url.startswith(SQLITE):
        return str(Path(url.removeprefix(SQLITE)).resolve())
    return mask_url(url)
