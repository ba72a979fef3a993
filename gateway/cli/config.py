"""`benchroute config …`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.terminal import results

app = typer.Typer(help="The configuration.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The configuration."""


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="The configuration.")] = Path("config.yaml"),
    show: Annotated[bool, typer.Option("--show", help="Print it, defaults filled in and secrets masked.")] = False,
) -> None:
    """Say whether a gateway would start with it; every fault at once, exit code 2."""
    import yaml

    from gateway.blueprint import blueprint
    from gateway.config import load_config

    plan = blueprint(load_config(config))
    if show:
        typer.echo(yaml.safe_dump(plan.config.masked(), sort_keys=False), nl=False)
        return
    pack = plan.manifest.name if plan.manifest else "none: every task goes to the first model"
    results().print(f"{config}: {len(plan.config.models)} models, pack {pack}", soft_wrap=True)
