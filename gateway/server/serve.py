"""Runs the gateway under uvicorn until it is told to stop."""

import asyncio
import logging
import math
import signal
import socket
import sys

import uvicorn

from gateway.config import Config
from gateway.config.history import ConfigFile, ConfigSource, ConfigWatcher, config_digest, reload_and_log
from gateway.http.strict_protocol import StrictHttpProtocol
from gateway.keys.client_keys import check_names, read_created_keys
from gateway.processes.startup import configure_process
from gateway.proxy.protocol import ProxyProtocol
from gateway.server.app import Gateway
from gateway.server.workers import bind_sockets
from gateway.state.sqlite import open_store

log = logging.getLogger("benchroute")

KEEPALIVE_S = 75
SHUTDOWN_WRITE_S = 5
"""How long clients may take to read that their request is cut off."""


def serve_gateway(
    file: ConfigFile,
    log_level: str = "info",
    watch: bool = False,
    log_format: str | None = None,
    worker: int | None = None,
) -> None:
    """Serves until SIGTERM or Ctrl-C; SIGHUP reads configuration and pack anew. watch: so does a change of the file.

    log_format: text or json, in place of the configuration's. worker: its number, from 1, where it shares its port.

    Raises ConfigError, StateError.
    """
    text = file.read_text()
    config = file.parse_config(text)
    configure_process(log_level, log_format or config.log.format, config.log.requests, config.log.sample_rate)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    gateway = Gateway(config, ConfigSource(file, config_digest(text)))
    _check_state(config)
    server = Server(gateway, config)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        watching = ConfigWatcher(gateway.config_history, file) if watch else None
        runner.run(_serve(server, gateway, watching, bind_sockets(config, worker) if worker else None))
    if not server.started:
        raise SystemExit(3)


class Server(uvicorn.Server):
    """Told to stop, takes no more connections, and waits for the requests under way as long as the configuration says.

    Those that take longer are told so. What was seen and spent is written after the last of them.
    """

    def __init__(self, gateway: Gateway, config: Config) -> None:
        self._gateway = gateway
        self._grace_s = config.server.shutdown_grace_s
        super().__init__(
            uvicorn.Config(
                gateway,
                host=config.server.host,
                port=config.server.port,
                http=ProxyProtocol if config.server.lane == "express" else StrictHttpProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEPALIVE_S,
                timeout_graceful_shutdown=math.ceil(self._grace_s) + SHUTDOWN_WRITE_S,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn.Server."""
        cut = asyncio.get_running_loop().call_later(self._grace_s, self._gateway.abort_requests)
        await super().shutdown(sockets)
        cut.cancel()


async def _serve(
    server: Server, gateway: Gateway, watch: ConfigWatcher | None, listening: list[socket.socket] | None
) -> None:
    """listening: of a worker, which ends with whoever keeps it, and so with its standard input."""
    loop, jobs = asyncio.get_running_loop(), set[asyncio.Task[object]]()

    def reload() -> None:
        task: asyncio.Task[object] = asyncio.create_task(reload_and_log(gateway.config_history, "signal"))
        jobs.add(task)
        task.add_done_callback(jobs.discard)

    def leave() -> None:
        loop.remove_reader(sys.stdin.fileno())
        server.should_exit = True

    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, reload)
    if watch is not None:
        jobs.add(asyncio.create_task(watch.run()))
    if listening is not None:
        loop.add_reader(sys.stdin.fileno(), leave)
    await server.serve(listening)


def _check_state(config: Config) -> None:
    """What else would be found while the server starts, and told with a traceback. Raises StateError, ConfigError.

    A gateway of a fleet starts without Redis too.
    """
    if config.state.is_shared:
        return
    store = open_store(config.state.url)
    try:
        check_names(config, read_created_keys(store))
    finally:
        store.close()


def _is_news(record: logging.LogRecord) -> bool:
    """Whether uvicorn says what is not known: a response left without its end is how a broken stream is shown."""
    return not record.getMessage().startswith("ASGI callable returned without completing response")
