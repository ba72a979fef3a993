"""`benchroute state …`: backup of a SQLite state, and its return."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.terminal import print_note
from gateway.config import Config, load_config
from gateway.errors import ConfigError

app = typer.Typer(help="State in a SQLite file: back up, restore.", no_args_is_help=True)

ConfigOption = Annotated[Path, typer.Option("--config", help="Configuration file of the gateway, with the state.")]
IN_REDIS = (
    "Redis makes backups of its own: copy its append-only files, or write a snapshot with `redis-cli --rdb FILE`; "
    "these commands are for SQLite"
)


@app.command("backup")
def write_backup(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist.", show_default=False)],
    config: ConfigOption = Path("config.yaml"),
) -> None:
    """Copy the state to a file, also while a gateway uses it."""
    from gateway.state.backup import backup_state, sqlite_path

    backup_state(sqlite_path(_sqlite_config(config).state.url), file)
    typer.echo(str(file))


@app.command("restore")
def restore_backup(
    file: Annotated[Path, typer.Argument(help="A backup.", show_default=False)],
    config: ConfigOption = Path("config.yaml"),
) -> None:
    """Put a backup in the place of the state. Stop the gateway first. The state of before is renamed, not deleted."""
    from gateway.state.backup import restore_state, sqlite_path

    state = sqlite_path(_sqlite_config(config).state.url)
    replaced = restore_state(file, state)
    if replaced is not None:
        print_note(f"the state of before: {replaced}")
    typer.echo(str(state))


def _sqlite_config(path: Path) -> Config:
    config = load_config(path)
    if config.state.is_shared:
        raise ConfigError(str(path), [("state.url", IN_REDIS)])
    return config
