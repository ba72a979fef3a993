"""`benchroute tail`: decisions of a running gateway as they are made."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from gateway.cli.client import ADMIN_KEY, LOCAL, MAX_PAGE, AdminClient, KeyEnv, Url
from gateway.cli.follow import WAIT_S, follow_answers
from gateway.cli.terminal import stdout_console


def tail_decisions(
    changes: Annotated[
        bool, typer.Option("--changes", help="Print only decisions that move a task to another model.")
    ] = False,
    last: Annotated[int, typer.Option(min=0, help="Print the last N decisions before following.")] = 10,
    limit: Annotated[int | None, typer.Option(min=1, help="Exit after N decisions. Default: on Ctrl-C.")] = None,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print decisions as a running gateway makes them, until Ctrl-C."""
    for decision in islice(_decisions(AdminClient(url, key_env), changes, last), limit):
        if as_json:
            typer.echo(json.dumps(decision))
        else:
            _show(decision)


def _decisions(client: AdminClient, changes: bool, last: int) -> Iterator[Mapping[str, Any]]:
    """Yield the latest decisions, then each new one. Raises AdminRequestError if the gateway is unreachable."""
    answer = client.send("GET", f"{_path(0, changes, 0)}&latest={min(last, MAX_PAGE)}")
    yield from answer["data"][max(0, len(answer["data"]) - last) :]
    for following in follow_answers(client, lambda after: _path(after, changes, WAIT_S), answer["last"]):
        yield from following["data"]


def _path(after: int, changes: bool, wait_s: float) -> str:
    asked = {"after": after, "wait_s": wait_s, "changes": str(changes).lower(), "limit": MAX_PAGE}
    return f"/v1/decisions?{urlencode(asked)}"


def _show(decision: Mapping[str, Any]) -> None:
    before, model = decision["before"], decision["model"]
    change = model if before in (None, model) else f"{before} → {model}"
    style = "" if before == model else "green" if before is None else "yellow"
    line = f"{decision['at'][11:19]}  {decision['task']}  {change}  {decision['reason']}  n={decision['n']}"
    stdout_console().print(line, style=style, soft_wrap=True)
