"""`benchroute serve` and `benchroute scorer`: the programs that run until stopped."""

import gc
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import ConfigError


class LogLevel(StrEnum):
    """Log levels."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """Log formats."""

    TEXT = "text"
    JSON = "json"


ConfigOption = Annotated[Path, typer.Option("--config", help="Configuration file.")]


def serve_command(
    config: ConfigOption = Path("config.yaml"),
    host: Annotated[str | None, typer.Option(help="Address to listen on; overrides `server.host`.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port to listen on; overrides `server.port`.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Reload the configuration when its file changes.")] = False,
    log_format: Annotated[LogFormat | None, typer.Option(help="Log format; overrides `log.format`.")] = None,
    log_level: Annotated[LogLevel, typer.Option(help="Minimum level of log lines.")] = LogLevel.INFO,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Number of worker processes sharing the port; overrides `server.workers`."),
    ] = None,
    worker: Annotated[int | None, typer.Option(min=1, hidden=True, help="Number of this worker, from 1.")] = None,
    parent: Annotated[
        int | None, typer.Option(min=0, hidden=True, help="Descriptor of this worker's connection with its parent.")
    ] = None,
) -> None:
    """Run a gateway until Ctrl-C."""
    # What is imported and read now stays: to look for garbage in it takes a tenth of the start. The server enables it.
    gc.disable()
    from gateway.config.history import ConfigFile
    from gateway.processes.startup import configure_process
    from gateway.server.announcement import announce_gateway
    from gateway.server.serve import serve_gateway as run
    from gateway.server.workers import check_workers, run_workers

    file = ConfigFile(config, host, port)
    if worker is None:
        read = file.parse_config(file.read_text())
        count = workers or read.server.workers
        check_workers(read, count)
        if count > 1:
            configure_process(log_level.value, log_format or read.log.format, read.log.requests, read.log.sample_rate)
            announce_gateway(read, config, read.server.port, needs_key=bool(read.keys or read.admin.keys))
            gc.enable()  # the parent of the workers imports nothing more
            run_workers(read, count, _worker_options(config, host, port, watch, log_format, log_level))
            return
    run(file, log_level.value, watch, log_format, worker, parent)


def run_scorer(config: ConfigOption = Path("config.yaml")) -> None:
    """Run a scorer until Ctrl-C, for gateways whose state is in Redis."""

    from gateway.config import load_config

    read = load_config(config)
    if not read.state.is_shared:
        message = "`benchroute scorer` requires state in Redis; with SQLite, `benchroute serve` runs its own scorer"
        raise ConfigError(str(config), [("state.url", message)])
    from gateway.distributed.supervisor import ScorerSupervisor
    from gateway.processes.startup import configure_process

    configure_process(log_format=read.log.format)
    ScorerSupervisor(config, nice=read.scorer.nice).run_until_stopped()


def _worker_options(
    config: Path, host: str | None, port: int | None, watch: bool, log_format: LogFormat | None, log_level: LogLevel
) -> list[str]:
    """The options of this command, for a worker process."""
    given: dict[str, object] = {
        "--config": config,
        "--host": host,
        "--port": port,
        "--log-format": log_format,
        "--log-level": log_level,
    }
    options = [str(part) for pair in given.items() if pair[1] is not None for part in pair]
    return [*options, "--watch"] if watch else options
