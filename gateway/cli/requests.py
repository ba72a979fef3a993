"""`benchroute requests`: the request log of a running gateway."""

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import typer

from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, AdminKeyEnv, AsJson, Url
from gateway.cli.errors import AdminRequestError
from gateway.cli.request_views import print_line, print_request, print_rows, to_json_line
from gateway.cli.terminal import print_note

app = typer.Typer(help="Requests of a running gateway: the request log.", no_args_is_help=True)

WAIT_S = 10.0
PAUSE_S = 1.0
MAX_RETRIES = 60
"""Consecutive failed requests until `tail` gives up: a gateway's restart takes seconds."""
SEEN = 1000

Since = Annotated[str | None, typer.Option(help="Only requests that ended at or after this time, ISO 8601.")]
Until = Annotated[str | None, typer.Option(help="Only requests that ended before this time, ISO 8601.")]
Task = Annotated[str | None, typer.Option(help="Only requests of this task.")]
Model = Annotated[str | None, typer.Option(help="Only requests that this model answered.")]
Backend = Annotated[str | None, typer.Option(help="Only requests that this backend answered.")]
Reason = Annotated[str | None, typer.Option(help="Only requests whose model was chosen for this reason.")]
Key = Annotated[str | None, typer.Option(help="Only requests of this client key.")]
Status = Annotated[
    str | None,
    typer.Option(help="A status, 2xx to 5xx, error (5xx, or a stream that ended early), broken, rejected (4xx)."),
]
Search = Annotated[str | None, typer.Option(help="Beginning of the request ID, or of the client's own.")]
MinLatency = Annotated[float | None, typer.Option(help="Only requests that took at least so long.")]
MinCost = Annotated[float | None, typer.Option(help="Only requests that cost at least so much.")]


def _asked(**filters: object) -> dict[str, str]:
    return {name: str(value) for name, value in filters.items() if value is not None}


@app.command("list")
def list_requests(
    since: Since = None,
    until: Until = None,
    task: Task = None,
    model: Model = None,
    backend: Backend = None,
    reason: Reason = None,
    key: Key = None,
    status: Status = None,
    search: Search = None,
    min_latency_ms: MinLatency = None,
    min_cost_usd: MinCost = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of requests.")] = 50,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List requests that have ended, newest first."""
    asked = _asked(
        since=since, until=until, task=task, model=model, backend=backend, reason=reason, key=key, status=status,
        search=search, min_latency_ms=min_latency_ms, min_cost_usd=min_cost_usd,
    )  # fmt: skip
    rows = AdminClient(url, admin_key_env).read_pages("/v1/requests", limit, **asked)
    if not as_json:
        print_rows(list(rows))
        return
    for one in rows:
        typer.echo(to_json_line(one))


@app.command("show")
def show_request(
    request: Annotated[str, typer.Argument(help="The request's ID: x-request-id of its response.")],
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Show a request: attempts, timings, the decision it followed, tokens and cost."""
    found = AdminClient(url, admin_key_env).send("GET", f"/v1/requests/{quote(request, safe='')}")
    if as_json:
        typer.echo(to_json_line(found))
    else:
        print_request(found)


@app.command("tail")
def tail_requests(
    task: Task = None,
    model: Model = None,
    key: Key = None,
    status: Status = None,
    last: Annotated[int, typer.Option(min=0, max=1000, help="Print the last N requests before following.")] = 10,
    limit: Annotated[int | None, typer.Option(min=1, help="Exit after N requests. Default: on Ctrl-C.")] = None,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print requests as they end, until Ctrl-C."""
    client, asked = AdminClient(url, admin_key_env), _asked(task=task, model=model, key=key, status=status)
    show: Callable[[Mapping[str, Any]], None] = (lambda one: typer.echo(to_json_line(one))) if as_json else print_line
    for one in islice(_follow(client, asked, last), limit):
        show(one)


@app.command("export")
def export_requests(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    format: Annotated[Literal["csv", "json"], typer.Option(help="Format of the file.")] = "csv",  # noqa: A002
    since: Since = None,
    until: Until = None,
    task: Task = None,
    model: Model = None,
    key: Key = None,
    status: Status = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of requests.")] = 10_000,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
) -> None:
    """Write the newest requests that match to a file, without what was said in them."""
    asked = _asked(since=since, until=until, task=task, model=model, key=key, status=status, limit=limit, format=format)
    pieces, size = AdminClient(url, admin_key_env).download(f"/v1/requests/export?{urlencode(asked)}"), 0
    first = next(pieces, b"")  # before the file is touched: the gateway may refuse
    with output.open("wb") as file:
        for piece in chain((first,), pieces):
            size += file.write(piece)
    print_note(f"{output}: {size} bytes")


def _follow(client: AdminClient, asked: Mapping[str, str], last: int) -> Iterator[Mapping[str, Any]]:
    """Yield the latest requests, then each new one. Raises AdminRequestError if the gateway stays unreachable."""
    answer = client.send("GET", f"/v1/requests?{urlencode({**asked, 'limit': max(1, last)})}")
    begun = answer["data"][:last][::-1]
    yield from begun
    seen, after, failed = {one["id"]: None for one in answer["data"]}, answer["last"], 0
    while True:
        try:
            answer = client.send("GET", f"/v1/requests?{urlencode({**asked, 'after': after, 'wait_s': WAIT_S})}")
        except AdminRequestError as error:
            failed += 1
            if failed == MAX_RETRIES:
                raise
            if failed == 1:
                print_note(f"{error}; retrying")
            time.sleep(PAUSE_S)
            continue
        failed, after = 0, answer["last"]
        # The end of the first page and the beginning of what follows can overlap.
        yield from [one for one in answer["data"] if one["id"] not in seen]
        seen = dict.fromkeys([*seen, *(one["id"] for one in answer["data"])][-SEEN:])
