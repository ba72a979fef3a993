"""Runs the gateway under uvicorn until it is told to stop."""

import asyncio
import logging
import signal
from pathlib import Path

import uvicorn

from gateway.app import Gateway
from gateway.config import Config, load_config
from gateway.errors import ConfigError, GatewayError
from gateway.http1 import StrictHttp

log = logging.getLogger("benchroute")

KEEPALIVE_S = 75
GRACE_S = 30
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(config_path: Path, host: str | None = None, port: int | None = None, log_level: str = "info") -> None:
    """Serves until SIGTERM or Ctrl-C; SIGHUP reads configuration and pack anew. Raises ConfigError, StateError."""
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    config = load_config(config_path)
    host = host or config.server.host
    _refuse_strangers(config, host)
    gateway = Gateway(config)
    server = uvicorn.Server(
        uvicorn.Config(
            gateway,
            host=host,
            port=config.server.port if port is None else port,
            http=StrictHttp,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEPALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(_serve(server, gateway, config_path))
    if not server.started:
        raise SystemExit(3)


async def _serve(server: uvicorn.Server, gateway: Gateway, config_path: Path) -> None:
    loop, reloads = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def reload() -> None:
        task = asyncio.create_task(_reload(gateway, config_path))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, reload)
    await server.serve()


async def _reload(gateway: Gateway, config_path: Path) -> None:
    """Reads the configuration again. A bad one changes nothing, and the log says why."""
    try:
        await gateway.reload(load_config(config_path))
    except GatewayError as error:
        log.error("everything stays as it was: %s", error)
        return
    log.info("%s and its pack are read again", config_path)


def _refuse_strangers(config: Config, host: str) -> None:
    """Without keys whoever reaches the port may spend our money: beyond this machine only if that is meant."""
    if config.keys or config.server.open_to_anyone or host in LOOPBACK:
        return
    fault = f"listening on {host} without any key: configure keys, or set open_to_anyone if it is meant"
    raise ConfigError("server", [("server.host", fault)])


def _is_news(record: logging.LogRecord) -> bool:
    """Whether uvicorn says what is not known: a response left without its end is how a broken stream is shown."""
    return not record.getMessage().startswith("ASGI callable returned without completing response")
