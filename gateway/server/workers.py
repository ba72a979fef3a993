"""Several gateway processes on one port of one machine, with a shared state.

The kernel distributes connections among them (SO_REUSEPORT). Each worker listens on a port of its own too, for its
metrics and its health: the first on the port after the common one, and so on.
"""

import logging
import signal
import socket
import sys
import threading
from collections.abc import Sequence

from gateway.config import Config
from gateway.errors import ConfigError
from gateway.processes.service_manager import READY, notify_service_manager
from gateway.processes.supervised_process import SupervisedProcess

log = logging.getLogger("benchroute")


def check_workers(config: Config, workers: int) -> None:
    """Raise ConfigError for a configuration that cannot run this number of workers."""
    faults = []
    if workers > 1 and not config.state.is_shared:
        fault = f"{workers} workers need a shared state, redis://…; SQLite supports one"
        faults.append(("state.url", fault))
    if workers > 1 and not 0 < config.server.port <= 65_535 - workers:
        fault = (
            f"{workers} workers listen on this port and the {workers} after it, up to 65535; it is {config.server.port}"
        )
        faults.append(("server.port", fault))
    if faults:
        raise ConfigError("workers", faults)


def run_workers(config: Config, count: int, options: Sequence[str]) -> None:
    """Run workers until SIGTERM or Ctrl-C, and restart those that exit. SIGHUP reloads all of them.

    options: of `benchroute serve`. Raises ConfigError for a port that is taken.
    """
    # Bound and closed again, so that a port in use is one error here, and not one a worker and restart.
    for number in range(1, count + 1):
        for bound in bind_sockets(config, number):
            bound.close()
    command = [sys.executable, "-m", "gateway.cli", "serve", *options]
    processes = [
        SupervisedProcess(f"worker {number}", [*command, "--worker", str(number)]) for number in range(1, count + 1)
    ]

    def terminate_all(*_: object) -> None:
        for process in processes:
            process.terminate()

    def reload_all(*_: object) -> None:
        for process in processes:
            process.send_signal(signal.SIGHUP)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, terminate_all)
    signal.signal(signal.SIGHUP, reload_all)
    threads = [threading.Thread(target=process.run_until_stopped) for process in processes]
    for thread in threads:
        thread.start()
    notify_service_manager(READY)
    log.info(
        "%d workers listen on %s:%d, and each on a port of its own after it",
        count,
        config.server.host,
        config.server.port,
    )
    for thread in threads:
        thread.join()


def bind_sockets(config: Config, worker: int) -> list[socket.socket]:
    """Return a worker's sockets: the common port's, and its own. worker: from 1. Raises ConfigError."""
    host, port = config.server.host, config.server.port
    own = _bind(host, port + worker, is_shared=False)
    try:
        return [_bind(host, port, is_shared=True), own]
    except ConfigError:
        own.close()
        raise


def _bind(host: str, port: int, is_shared: bool) -> socket.socket:
    bound: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError as error:
        if bound is not None:
            bound.close()
        fault = f"{host}:{port} cannot be bound: {error.strerror or error}"
        raise ConfigError("workers", [("server.port", fault)]) from error
    return bound
