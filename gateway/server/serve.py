"""The gateway under uvicorn, until it is told to stop."""

import asyncio
import logging
import signal
import socket
import sys

from gateway.config import Config
from gateway.config.history import ConfigFile, ConfigSource, ConfigWatcher, config_digest, reload_and_log
from gateway.hub.link import ParentLink
from gateway.offload import SWITCH_INTERVAL_S
from gateway.processes.startup import configure_process
from gateway.server.announcement import announce_gateway
from gateway.server.app import Gateway
from gateway.server.graceful_server import Server
from gateway.server.workers import bind_sockets, check_store
from gateway.state.sqlite import open_own_store

log = logging.getLogger("benchroute")


def serve_gateway(
    file: ConfigFile,
    log_level: str = "info",
    watch: bool = False,
    log_format: str | None = None,
    worker: int | None = None,
    parent: int | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; SIGHUP reloads configuration and pack.

    watch: reload when the file changes. log_format: text or json, in place of the configuration's. worker: its number,
    from 1, where several share the port. parent: descriptor of its connection with its parent, which shares the state.
    Raises ConfigError, StateError.
    """
    text = file.read_text()
    config = file.parse_config(text)
    configure_process(log_level, log_format or config.log.format, config.log.requests, config.log.sample_rate)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    logging.getLogger("uvicorn.error").addFilter(_is_relevant)
    link = None if parent is None else ParentLink(parent)
    gateway = Gateway(config, ConfigSource(file, config_digest(text), text), link)
    if link is None:  # else its parent has
        _check_state(config)
    announce = None if worker else lambda port: announce_gateway(config, file.path, port, _needs_key(gateway))
    server = Server(gateway, config, is_worker=worker is not None, listening=announce)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        watching = ConfigWatcher(gateway.config_history, file) if watch else None
        runner.run(_serve(server, gateway, watching, bind_sockets(config, worker) if worker else None))
    if not server.started:
        raise SystemExit(3)


async def _serve(
    server: Server, gateway: Gateway, watch: ConfigWatcher | None, listening: list[socket.socket] | None
) -> None:
    """Run the server. listening: a worker's sockets; it stops with its standard input, when its parent has exited."""
    loop, jobs = asyncio.get_running_loop(), set[asyncio.Task[object]]()

    def reload() -> None:
        task: asyncio.Task[object] = asyncio.create_task(reload_and_log(gateway.config_history, "signal"))
        jobs.add(task)
        task.add_done_callback(jobs.discard)

    def stop() -> None:
        loop.remove_reader(sys.stdin.fileno())
        server.should_exit = True

    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, reload)
    if watch is not None:
        jobs.add(asyncio.create_task(watch.run()))
    if listening is not None:
        loop.add_reader(sys.stdin.fileno(), stop)
    await server.serve(listening)


def _needs_key(gateway: Gateway) -> bool:
    serving = gateway.runtime.serving
    return serving is not None and not serving.services.authenticator.is_open


def _check_state(config: Config) -> None:
    """Open the state once, to report its errors without uvicorn's traceback. Raises StateError, ConfigError."""
    if config.state.is_shared:
        from gateway.distributed.redis_client import refuse_other_installation

        refuse_other_installation(config)
        return
    store = open_own_store(config.state.url)
    try:
        check_store(config, store)
    finally:
        store.close()


def _is_relevant(record: logging.LogRecord) -> bool:
    """Return False for uvicorn's message about an incomplete response."""
    # Leaving a response incomplete is how the gateway ends a broken stream, which its own log line reports already.
    return not record.getMessage().startswith("ASGI callable returned without completing response")
