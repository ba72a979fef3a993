"""Several gateways on one port of one machine: each is a process, a member of the fleet that shares the state.

The kernel deals connections out to them (SO_REUSEPORT). Each also listens on a port of its own, where it can be asked
for its metrics and its health: the first worker on the one after the common port, and so on.
"""

import logging
import signal
import socket
import sys
import threading
from collections.abc import Sequence

from gateway.config import Config
from gateway.errors import ConfigError
from gateway.processes.supervised_process import SupervisedProcess

log = logging.getLogger("benchroute")


def check_workers(config: Config, workers: int) -> None:
    """Raises ConfigError where so many cannot work together."""
    faults = []
    if workers > 1 and not config.state.is_shared:
        fault = f"{workers} workers need a state that they share, redis://…; with SQLite there is one"
        faults.append(("state.url", fault))
    if workers > 1 and not 0 < config.server.port <= 65_535 - workers:
        fault = f"{workers} workers listen on this port and on the {workers} after it; it is {config.server.port}"
        faults.append(("server.port", fault))
    if faults:
        raise ConfigError("workers", faults)


def run_workers(config: Config, count: int, options: Sequence[str]) -> None:
    """Keeps so many running until SIGTERM or Ctrl-C; SIGHUP is for all of them. options: of `benchroute serve`.

    Raises ConfigError for a port that is taken.
    """
    for number in range(1, count + 1):
        for one in bind_sockets(config, number):
            one.close()
    command = [sys.executable, "-m", "gateway.cli", "serve", *options]
    kept = [
        SupervisedProcess(f"worker {number}", [*command, "--worker", str(number)]) for number in range(1, count + 1)
    ]

    def end(*_: object) -> None:
        for one in kept:
            one.terminate()

    def tell(*_: object) -> None:
        for one in kept:
            one.send_signal(signal.SIGHUP)

    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, end)
    signal.signal(signal.SIGHUP, tell)
    threads = [threading.Thread(target=one.run_until_stopped) for one in kept]
    for thread in threads:
        thread.start()
    log.info("%d workers on %s:%d, each on a port of its own after it", count, config.server.host, config.server.port)
    for thread in threads:
        thread.join()


def bind_sockets(config: Config, worker: int) -> list[socket.socket]:
    """What a worker, from 1, listens on: the common port, and its own. Raises ConfigError for one that is taken."""
    host, port = config.server.host, config.server.port
    own = _bound(host, port + worker, is_shared=False)
    try:
        return [_bound(host, port, is_shared=True), own]
    except ConfigError:
        own.close()
        raise


def _bound(host: str, port: int, is_shared: bool) -> socket.socket:
    made: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
    except OSError as error:
        if made is not None:
            made.close()
        fault = f"{host}:{port} cannot be listened on: {error.strerror or error}"
        raise ConfigError("workers", [("server.port", fault)]) from error
    return made
