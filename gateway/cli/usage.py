"""`benchroute usage`: the history of a running gateway by time or by name, as its charts show it."""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import typer

from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, KeyEnv, Url
from gateway.cli.errors import OptionError
from gateway.cli.terminal import format_number, make_table, print_note, stdout_console

Rows = Sequence[Mapping[str, Any]]
By = Literal["hour", "day", "task", "model", "backend", "key"]
Range = Literal["1h", "6h", "24h", "48h", "7d", "30d", "90d"]

STEPS: Mapping[str, str] = {"hour": "1h", "day": "1d"}
LISTS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "task": ("/v1/tasks", "id", {"details": "true", "sort": "requests"}),
    "model": ("/v1/models", "id", {}),
    "backend": ("/v1/backends", "id", {}),
    "key": ("/v1/keys", "name", {}),
}
"""Where the names of a kind are listed, which member of a row is the name, and what to ask for."""

OTHERS = "(others)"
"""Name of the series of all less busy names (gateway.usage.ledger.OTHER_NAMES)."""

SHORT_RANGES = ("1h", "6h", "24h", "48h")
COLUMNS = (
    "requests", "errors", "rejected", "input_tokens", "output_tokens", "cost_usd", "saved_usd", "p50_ms", "p95_ms",
    "first_token_p50_ms", "overhead_p50_ms",
)  # fmt: skip
HEADS = (
    "requests", "errors", "rejected", "tokens in", "tokens out", "cost, USD", "saved, USD", "p50, ms", "p95, ms",
    "first token p50, ms", "overhead p50, ms",
)  # fmt: skip
PATTERNS = {"cost_usd": "{:.6f}", "saved_usd": "{:.6f}"}


@dataclass(frozen=True, slots=True)
class UsageTable:
    """What was found. column: name of the first column. note: what a reader must know of it."""

    column: str
    rows: Rows
    total: Mapping[str, Any]
    begin: str
    end: str
    note: str | None


def show_usage(
    by: Annotated[
        By | None, typer.Option(help="A row for each hour, day, task, model, backend or key. Default: hour or day.")
    ] = None,
    range_: Annotated[Range | None, typer.Option("--range", help="Time up to now. Default: 24h.")] = None,
    since: Annotated[str | None, typer.Option(help="Start of the time range, ISO 8601, in place of --range.")] = None,
    until: Annotated[str | None, typer.Option(help="End of the time range, ISO 8601. Default: now.")] = None,
    task: Annotated[str | None, typer.Option(help="Only requests of this task.")] = None,
    model: Annotated[str | None, typer.Option(help="Only requests that this model answered.")] = None,
    backend: Annotated[str | None, typer.Option(help="Only requests of this backend.")] = None,
    key: Annotated[str | None, typer.Option(help="Only requests of this client key.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="Names to ask for: the tasks with most calls, or the first others.")
    ] = 50,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Show requests, errors, tokens, cost, savings and latency over time, or by name."""
    if as_json and as_csv:
        raise OptionError("--json and --csv: expected one of them")
    times = _times(range_, since, until)
    given = {kind: name for kind, name in zip(LISTS, (task, model, backend, key), strict=True) if name is not None}
    if len(given) > 1 or (given and by in LISTS):
        raise OptionError("expected one of --task, --model, --backend and --key, by hour or by day")
    client = AdminClient(url, key_env)
    if by is None:
        by = "hour" if since is None and times["range"] in SHORT_RANGES else "day"
    found = _by_name(client, by, times, limit) if by in LISTS else _by_time(client, by, times, given)
    if as_json:
        shown = {"from": found.begin, "until": found.end, "by": by, "total": found.total, "data": found.rows}
        typer.echo(json.dumps({**shown, "note": found.note}, indent=2))
    elif as_csv:
        _print_csv(found)
    else:
        _print_table(found)


def _times(range_: str | None, since: str | None, until: str | None) -> dict[str, str]:
    """Return the time range as the API's parameters. Raises OptionError."""
    if since is None and until is not None:
        raise OptionError("--until needs --since: the range ends there and begins nowhere")
    if since is not None and range_ is not None:
        raise OptionError("--range and --since: expected one of them")
    if since is None:
        return {"range": range_ or "24h"}
    return {"from": since} if until is None else {"from": since, "to": until}


def _by_time(client: AdminClient, by: str, times: Mapping[str, str], of: Mapping[str, str]) -> UsageTable:
    series = {"kind": kind, "name": name} if (kind := next(iter(of), None)) and (name := of[kind]) else {}
    found = _read(client, {**times, **series, "step": STEPS[by]})
    return UsageTable("at", found["data"], found["total"], found["from"], found["until"], found["note"])


def _by_name(client: AdminClient, by: str, times: Mapping[str, str], limit: int) -> UsageTable:
    """Return a row for each name that had requests, those with most first."""
    whole, rows = _read(client, times), []
    for name in _names(client, by, limit):
        total = _read(client, {**times, "kind": by, "name": name})["total"]
        if total["requests"]:
            rows.append({by: name, **total})
    rows.sort(key=lambda row: (-row["requests"], row[by]))
    return UsageTable(by, rows, whole["total"], whole["from"], whole["until"], whole["note"])


def _names(client: AdminClient, by: str, limit: int) -> Iterator[str]:
    """Yield different names, and at last that of the less busy ones together where there may be some."""
    path, member, asked = LISTS[by]
    if by == "model":  # all of them in one page, with `auto` among them
        rows = [one for one in client.send("GET", path)["data"] if "benchroute" in one][:limit]
    else:
        rows = list(client.read_pages(path, limit, **asked))
    yield from dict.fromkeys(row[member] for row in rows)
    if by in ("task", "key"):
        yield OTHERS


def _read(client: AdminClient, asked: Mapping[str, str]) -> Any:
    return client.send("GET", f"/v1/activity?{urlencode(asked)}")


def _print_table(found: UsageTable) -> None:
    table = make_table([found.column], HEADS)
    for row in found.rows:
        first = row["at"][:16].replace("T", " ") if found.column == "at" else row[found.column]
        table.add_row(first, *_cells(row))
    table.add_section()
    table.add_row("total", *_cells(found.total))
    console = stdout_console()
    console.print(f"{found.begin} to {found.end}")
    console.print(table)
    if found.note is not None:
        print_note(found.note)


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [format_number(row[name], PATTERNS.get(name, "{:.0f}")) for name in COLUMNS]


def _print_csv(found: UsageTable) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow((found.column, *COLUMNS))
    for row in found.rows:
        writer.writerow(["" if row[name] is None else row[name] for name in (found.column, *COLUMNS)])
