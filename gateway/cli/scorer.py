"""`benchroute scorer`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.config import load_config
from gateway.errors import ConfigError


def run_scorer(
    config: Annotated[Path, typer.Option(help="The gateways' configuration.")] = Path("config.yaml"),
) -> None:
    """Run a scorer of a fleet until Ctrl-C: for gateways whose state is Redis."""
    read = load_config(config)
    if not read.state.is_shared:
        fault = "a scorer by itself is for state in Redis; with SQLite `benchroute serve` runs its own"
        raise ConfigError(str(config), [("state.url", fault)])
    from gateway.distributed.supervisor import ScorerSupervisor
    from gateway.processes.startup import configure_process

    configure_process(log_format=read.log.format)
    ScorerSupervisor(config, nice=read.scorer.nice).run_until_stopped()
