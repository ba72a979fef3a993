"""`benchroute serve`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How it is logged."""

    TEXT = "text"
    JSON = "json"


def serve_command(
    config: Annotated[Path, typer.Option(help="The configuration.")] = Path("config.yaml"),
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of the configuration's.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port to listen on, instead of the configuration's.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Take the configuration over whenever its file changes.")
    ] = False,
    log_format: Annotated[LogFormat | None, typer.Option(help="Text or JSON, instead of the configuration's.")] = None,
    log_level: Annotated[LogLevel, typer.Option(help="How much is logged.")] = LogLevel.INFO,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processes on the one port, instead of the configuration's number."),
    ] = None,
    worker: Annotated[int | None, typer.Option(min=1, hidden=True, help="Which of them this is, from 1.")] = None,
) -> None:
    """Run a gateway until Ctrl-C."""
    from gateway.config.history import ConfigFile
    from gateway.processes.startup import configure_process
    from gateway.server.serve import serve_gateway as run
    from gateway.server.workers import check_workers, run_workers

    file = ConfigFile(config, host, port)
    if worker is None:
        read = file.parse_config(file.read_text())
        count = workers or read.server.workers
        check_workers(read, count)
        if count > 1:
            configure_process(log_level.value, log_format or read.log.format, read.log.requests, read.log.sample_rate)
            run_workers(read, count, _again(config, host, port, watch, log_format, log_level))
            return
    run(file, log_level.value, watch, log_format, worker)


def _again(
    config: Path, host: str | None, port: int | None, watch: bool, log_format: LogFormat | None, log_level: LogLevel
) -> list[str]:
    """What this command was given, for a worker."""
    given: dict[str, object] = {
        "--config": config,
        "--host": host,
        "--port": port,
        "--log-format": log_format,
        "--log-level": log_level,
    }
    options = [str(part) for pair in given.items() if pair[1] is not None for part in pair]
    return [*options, "--watch"] if watch else options
