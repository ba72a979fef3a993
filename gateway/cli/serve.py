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


def serve(
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
) -> None:
    """Run a gateway until Ctrl-C."""
    from gateway.serve import serve as run
    from gateway.versions import ConfigFile

    run(ConfigFile(config, host, port), log_level.value, watch, log_format)
