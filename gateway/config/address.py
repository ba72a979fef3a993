"""The address under which clients on this machine reach a gateway, from `server.host` and `server.port`."""

import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.config.expand import ConfigFault, expand_variables
from gateway.config.load import read_config_text
from gateway.config.service import ServerConfig
from gateway.config.yaml_text import read_yaml
from gateway.errors import ConfigError

UNSPECIFIED = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound
"""Addresses that mean all of a machine's, and the one of them that only this machine has."""


def base_url(host: str, port: int) -> str:
    """Return a gateway's URL, without /v1, for a client on its own machine."""
    host = UNSPECIFIED.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def read_base_url(path: Path, environment: Mapping[str, str]) -> str:
    """Return the URL of the gateway that a configuration file starts on this machine.

    The other sections are not checked: their variables may be set for the gateway alone. Raises ConfigError, also for
    an address of another machine, which would get the keys that commands send.
    """
    server = _read_server(path, environment)
    faults = []
    if server.port == 0:
        faults.append(("server.port", "0 picks a free port: take the one that the gateway logs"))
    if not _is_local(server.host):
        faults.append(("server.host", f"{server.host} is no address of this machine"))
    if faults:
        raise ConfigError(str(path), faults)
    return base_url(server.host, server.port)


def _read_server(path: Path, environment: Mapping[str, str]) -> ServerConfig:
    document: Any = read_yaml(read_config_text(path), str(path))
    section = document.get("server") if isinstance(document, dict) else None
    own = {name: section[name] for name in ("host", "port") if isinstance(section, dict) and name in section}
    faults: list[ConfigFault] = []
    expanded = expand_variables(own, environment, "server", faults)
    try:
        server = ServerConfig.model_validate(expanded)
    except ValueError:
        faults.append(("server", "host or port is invalid: run `benchroute config check`"))
    if faults:
        raise ConfigError(str(path), faults)
    return server


def _is_local(host: str) -> bool:
    """Return whether a socket of this machine can have the address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            UNSPECIFIED.get(host, host), 0, type=socket.SOCK_STREAM
        )[0]
        with closing(socket.socket(family, kind, protocol)) as bound:
            bound.bind(address)
    except OSError:
        return False
    return True
