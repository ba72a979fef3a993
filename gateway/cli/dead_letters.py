"""`benchroute observations`: what a fleet's scorers have put aside."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.terminal import make_table, print_note, stdout_console
from gateway.config import load_config
from gateway.errors import ConfigError

app = typer.Typer(help="A fleet's observations.", no_args_is_help=True)
ID_CHARACTERS = 60


@app.callback()
def _observations() -> None:
    """A fleet's observations."""


@app.command("parked")
def list_dead_letters(
    config: Annotated[
        Path, typer.Option("--config", help="The gateways' configuration, which names the state.")
    ] = Path("config.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, with what was observed.")] = False,
) -> None:
    """Show the observations that were put aside because they ended their scorer, or failed, three times."""
    read = load_config(config)
    if not read.state.is_shared:
        raise ConfigError(str(config), [("state.url", "observations are only put aside where the state is Redis")])
    from gateway.distributed.leases import list_dead_letters as found_in
    from gateway.distributed.redis_client import RedisClient
    from gateway.distributed.store import RedisStore

    client = RedisClient(read.state.url, shards=read.state.shards)
    try:
        found = found_in(client, RedisStore(client).all_shards())
    finally:
        client.close_connections()
    if as_json:
        told = [
            {
                "task": one.task,
                "shard": one.shard,
                "id": one.id,
                "parked_at": one.at,
                "tries": one.tries,
                "reason": one.reason,
                "body": one.body[1:].decode("utf-8", "replace"),
            }
            for one in found
        ]
        typer.echo(json.dumps({"data": told}, indent=2))
        return
    shown = make_table(["task", "put aside", "why", "begins with"], ["bytes"])
    for one in found:
        at = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds")
        begins = one.body[1 : ID_CHARACTERS + 1].decode("utf-8", "replace")
        shown.add_row(one.task, at, one.reason, begins, str(len(one.body) - 1))
    stdout_console().print(shown)
    print_note(f"{len(found)} observations are put aside")
