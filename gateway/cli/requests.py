"""`benchroute requests`: the request log of a running gateway."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import typer

from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, AdminKeyEnv, AsJson, Url
from gateway.cli.follow import WAIT_S, follow_answers
from gateway.cli.option_groups import with_option_groups
from gateway.cli.request_views import print_line, print_request, print_rows, to_json_line
from gateway.cli.terminal import print_note

app = typer.Typer(help="Requests of a running gateway: the request log.", no_args_is_help=True)

SEEN = 1000


@dataclass(frozen=True, slots=True)
class TimeOptions:
    """When requests ended."""

    since: Annotated[str | None, typer.Option(help="Only requests that ended at or after this time, ISO 8601.")] = None
    until: Annotated[str | None, typer.Option(help="Only requests that ended before this time, ISO 8601.")] = None


@dataclass(frozen=True, slots=True)
class RowFilters:
    """Which requests to show."""

    task: Annotated[str | None, typer.Option(help="Only requests of this task.")] = None
    model: Annotated[str | None, typer.Option(help="Only requests that this model answered.")] = None
    backend: Annotated[str | None, typer.Option(help="Only requests that this backend answered.")] = None
    reason: Annotated[str | None, typer.Option(help="Only requests whose model was chosen for this reason.")] = None
    key: Annotated[str | None, typer.Option(help="Only requests of this client key.")] = None
    endpoint: Annotated[str | None, typer.Option(help="Only requests to this path, such as /v1/messages.")] = None
    status: Annotated[
        str | None,
        typer.Option(help="A status, 2xx to 5xx, error (5xx, or a stream that ended early), broken, rejected (4xx)."),
    ] = None
    search: Annotated[str | None, typer.Option(help="Beginning of the request ID, or of the client's own.")] = None
    min_latency_ms: Annotated[float | None, typer.Option(help="Only requests that took at least so long.")] = None
    min_cost_usd: Annotated[float | None, typer.Option(help="Only requests that cost at least so much.")] = None


def _asked(*groups: TimeOptions | RowFilters) -> dict[str, str]:
    """Return the filters that were given as the API's parameters."""
    given = {name: value for group in groups for name, value in asdict(group).items()}
    return {name: str(value) for name, value in given.items() if value is not None}


@app.command("list")
@with_option_groups
def list_requests(
    times: TimeOptions,
    filters: RowFilters,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of requests.")] = 50,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List requests that have ended, newest first."""
    rows = AdminClient(url, admin_key_env).read_pages("/v1/requests", limit, **_asked(times, filters))
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
@with_option_groups
def tail_requests(
    filters: RowFilters,
    last: Annotated[int, typer.Option(min=0, max=1000, help="Print the last N requests before following.")] = 10,
    limit: Annotated[int | None, typer.Option(min=1, help="Exit after N requests. Default: on Ctrl-C.")] = None,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print requests as they end, until Ctrl-C."""
    client, asked = AdminClient(url, admin_key_env), _asked(filters)
    show: Callable[[Mapping[str, Any]], None] = (lambda one: typer.echo(to_json_line(one))) if as_json else print_line
    for one in islice(_follow(client, asked, last), limit):
        show(one)


@app.command("export")
@with_option_groups
def export_requests(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    times: TimeOptions,
    filters: RowFilters,
    format: Annotated[Literal["csv", "json"], typer.Option(help="Format of the file.")] = "csv",  # noqa: A002
    with_bodies: Annotated[
        bool, typer.Option("--bodies", help="With what was said, where the log has it; as JSON, with an admin key.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of requests.")] = 10_000,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
) -> None:
    """Write the newest requests that match to a file; what was said in them only with --bodies."""
    asked = {**_asked(times, filters), "limit": limit, "format": format}
    if with_bodies:
        asked["bodies"] = "true"
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
    seen, path = {one["id"]: None for one in answer["data"]}, f"/v1/requests?{urlencode({**asked, 'wait_s': WAIT_S})}"
    for following in follow_answers(client, lambda after: f"{path}&after={after}", answer["last"]):
        # The end of the first page and the beginning of what follows can overlap.
        yield from [one for one in following["data"] if one["id"] not in seen]
        seen = dict.fromkeys([*seen, *(one["id"] for one in following["data"])][-SEEN:])
