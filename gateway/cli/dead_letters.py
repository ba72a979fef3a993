"""`benchroute observations`: the dead-letter list of observations in Redis."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.terminal import make_table, print_note, stdout_console
from gateway.config import load_config
from gateway.errors import ConfigError

app = typer.Typer(help="Observations in Redis.", no_args_is_help=True)
SHOWN_CHARACTERS = 60


@app.callback(help="Observations in Redis.")
def _group() -> None:
    """Keep `dead-letter` a subcommand: a Typer app with one command has none without a callback."""


@app.command("dead-letter")
def list_dead_letters(
    config: Annotated[
        Path, typer.Option("--config", help="Configuration file of the gateways, with the state.")
    ] = Path("config.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, with the observations.")] = False,
) -> None:
    """List the dead-letter list: observations that failed, or crashed their scorer, three times."""
    read = load_config(config)
    if not read.state.is_shared:
        raise ConfigError(str(config), [("state.url", "the dead-letter list requires state in Redis")])
    from gateway.distributed.leases import list_dead_letters as read_dead_letters
    from gateway.distributed.redis_client import open_client
    from gateway.distributed.store import RedisStore

    client = open_client(read)
    try:
        found = read_dead_letters(client, RedisStore(client).all_shards())
    finally:
        client.close_connections()
    if as_json:
        listed = [
            {
                "task": one.task,
                "shard": one.shard,
                "id": one.id,
                "at": one.at,
                "attempts": one.tries,
                "reason": one.reason,
                "body": one.body[1:].decode("utf-8", "replace"),
            }
            for one in found
        ]
        typer.echo(json.dumps({"data": listed}, indent=2))
        return
    table = make_table(["task", "at", "reason", "beginning"], ["bytes"])
    for one in found:
        at = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds")
        beginning = one.body[1 : SHOWN_CHARACTERS + 1].decode("utf-8", "replace")
        table.add_row(one.task, at, one.reason, beginning, str(len(one.body) - 1))
    stdout_console().print(table)
    print_note(f"{len(found)} observations on the dead-letter list")
