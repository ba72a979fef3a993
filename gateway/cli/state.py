"""`benchroute state …`: backup of a SQLite state, with its request log if asked, and its return."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.terminal import print_note
from gateway.config import Config, load_config
from gateway.errors import ConfigError, StateError

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
    with_log: Annotated[
        bool,
        typer.Option(
            "--with-log", help="Copy the request log too (`log.max_mb` at most), to a file beside the backup."
        ),
    ] = False,
) -> None:
    """Copy the state to a file, also while a gateway uses it."""
    from gateway.request_log.sqlite import log_path
    from gateway.state.backup import backup_state, sqlite_path

    state = sqlite_path(_sqlite_config(config).state.url)
    log, log_backup = Path(log_path(str(state))), Path(log_path(str(file)))
    if with_log and not log.is_file():
        raise StateError(f"{log} does not exist: no request was logged (`log.enabled`); leave --with-log out")
    if with_log and log_backup.exists():
        raise StateError(f"{log_backup} exists already; name another file")
    backup_state(state, file)
    typer.echo(str(file))
    if with_log:
        backup_state(log, log_backup)
        typer.echo(str(log_backup))


@app.command("restore")
def restore_backup(
    file: Annotated[Path, typer.Argument(help="A backup.", show_default=False)],
    config: ConfigOption = Path("config.yaml"),
    with_log: Annotated[
        bool, typer.Option("--with-log", help="Put back the request log too, from the file beside the backup.")
    ] = False,
) -> None:
    """Put a backup in the place of the state. Stop the gateway first. The state of before is renamed, not deleted."""
    from gateway.request_log.sqlite import MIGRATIONS, log_path
    from gateway.state.backup import RestoredFile, restore_state, sqlite_path

    state = sqlite_path(_sqlite_config(config).state.url)
    log = RestoredFile(Path(log_path(str(file))), Path(log_path(str(state))), len(MIGRATIONS))
    for replaced in restore_state(file, state, [log] if with_log else []):
        print_note(f"the state of before: {replaced}")
    typer.echo(str(state))


def _sqlite_config(path: Path) -> Config:
    config = load_config(path)
    if config.state.is_shared:
        raise ConfigError(str(path), [("state.url", IN_REDIS)])
    return config
