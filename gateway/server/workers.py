"""Several gateway processes on one port of one machine, which share a state: a SQLite file, or Redis.

The kernel distributes connections among them (SO_REUSEPORT). Each worker listens on a port of its own too, for its
metrics and its health: the first on the port after the common one, and so on.
"""

import itertools
import logging
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from gateway.config import Config
from gateway.errors import ConfigError
from gateway.hub.thread import HubThread
from gateway.keys.client_keys import check_names, read_created_keys
from gateway.processes.service_manager import READY, notify_service_manager
from gateway.processes.supervised_process import SupervisedProcess
from gateway.state.sqlite import SqliteStore, open_own_store

log = logging.getLogger("benchroute")


def check_workers(config: Config, workers: int) -> None:
    """Raise ConfigError for a configuration that cannot run this number of workers."""
    if workers > 1 and not 0 < config.server.port <= 65_535 - workers:
        fault = (
            f"{workers} workers listen on this port and the {workers} after it, up to 65535; it is {config.server.port}"
        )
        raise ConfigError("workers", [("server.port", fault)])


def run_workers(config: Config, count: int, options: Sequence[str]) -> None:
    """Run workers until SIGTERM or Ctrl-C, and restart those that exit. SIGHUP reloads all of them.

    options: of `benchroute serve`. Raises ConfigError for a port that is taken, StateError.
    """
    # Bound and closed again, so that a port in use is one error here, and not one a worker and restart.
    for number in range(1, count + 1):
        for bound in bind_sockets(config, number):
            bound.close()
    with ExitStack() as stack:
        hub = None if config.state.is_shared else _start_hub(config, stack)
        _supervise(config, count, options, hub)


def _start_hub(config: Config, stack: ExitStack) -> HubThread:
    """Claim the state's file for this process and its workers, and start what they have in common."""
    store = open_own_store(config.state.url)
    stack.callback(store.close)
    check_store(config, store)
    hub = HubThread(config.scorer.nice)
    hub.start()
    stack.callback(hub.stop)
    return hub


def _supervise(config: Config, count: int, options: Sequence[str], hub: HubThread | None) -> None:
    """Run workers until a signal, and wait for their end."""
    command = [sys.executable, "-m", "gateway.cli", "serve", *options]
    processes = [_make_process(command, number, hub) for number in range(1, count + 1)]
    signals = itertools.count()

    def terminate_all(*_: object) -> None:
        if next(signals) and hub is not None:  # a second signal: at once
            hub.skip_pending()
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


def _make_process(command: Sequence[str], number: int, hub: HubThread | None) -> SupervisedProcess:
    """Return a worker. With a hub, the last word of its command is the descriptor of its connection."""
    words, name = [*command, "--worker", str(number)], f"worker {number}"
    if hub is None:
        return SupervisedProcess(name, words)
    return SupervisedProcess(name, [*words, "--parent"], connect=partial(hub.connect, number))


def check_store(config: Config, store: SqliteStore) -> None:
    """Read a SQLite state once, to report its errors before anything is started. Raises StateError, ConfigError."""
    store.check_pages()
    check_names(config, read_created_keys(store))
    store.read_usage()
    store.current_policies()


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
