"""`benchroute keys …`: client keys of a running gateway, through its management API."""

import hashlib
import json
import sys
from typing import Annotated
from urllib.parse import quote

import typer

from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, AdminKeyEnv, AsJson, Url
from gateway.cli.errors import InputsError
from gateway.cli.terminal import UNKNOWN, format_number, make_table, print_note, stdout_console

app = typer.Typer(help="Client keys of a running gateway.", no_args_is_help=True)


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Unique name, used for usage tracking.", show_default=False)],
    default_task: Annotated[str | None, typer.Option(help="Task of requests that name none.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Allowed model; repeatable. Default: all.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Allowed task; repeatable. Default: all.")] = None,
    requests_per_minute: Annotated[
        float | None, typer.Option(help="Rate limit, requests per minute. Default: none.")
    ] = None,
    tokens_per_minute: Annotated[
        float | None, typer.Option(help="Rate limit, tokens per minute. Default: none.")
    ] = None,
    budget_usd_per_day: Annotated[str | None, typer.Option(help="Budget, US dollars per day. Default: none.")] = None,
    budget_usd_per_month: Annotated[
        str | None, typer.Option(help="Budget, US dollars per month. Default: none.")
    ] = None,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Create a key, valid immediately, and print its secret, which is shown only once."""
    settings = {
        "name": name,
        "default_task": default_task,
        "models": model or None,
        "tasks": task or None,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "budget_usd_per_day": budget_usd_per_day,
        "budget_usd_per_month": budget_usd_per_month,
    }
    created = AdminClient(url, admin_key_env, needs_key=True).send("POST", "/v1/keys", settings)
    if as_json:
        typer.echo(json.dumps(created, indent=2))
        return
    print_note(f"key {name} created; copy its secret now, it will not be shown again:")
    typer.echo(created["secret"])


@app.command("list")
def list_keys(url: Url = LOCAL, admin_key_env: AdminKeyEnv = ADMIN_KEY, as_json: AsJson = False) -> None:
    """List client keys with their source, permissions, limits, and usage today (UTC)."""
    client = AdminClient(url, admin_key_env, needs_key=True)
    found = {"object": "list", "data": list(client.read_pages("/v1/keys"))}
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    shown = make_table(
        ["name", "source", "created", "models", "tasks"],
        ["requests/min", "tokens/min", "USD/day", "USD/month", "requests today", "USD today"],
    )
    for key in found["data"]:
        limits = [_limit(key[name]) for name in ("requests_per_minute", "tokens_per_minute")]
        limits += [_limit(key[name]) for name in ("budget_usd_per_day", "budget_usd_per_month")]
        usage = (str(key["today"]["requests"]), format_number(key["today"]["cost_usd"], "{:.4f}"))
        words = (key["created_at"] or UNKNOWN, _join(key["models"]), _join(key["tasks"]))
        shown.add_row(key["name"], key["source"], *words, *limits, *usage)
    stdout_console().print(shown)


@app.command("revoke")
def revoke_key(
    name: Annotated[str, typer.Argument(help="Name of the key.", show_default=False)],
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Revoke a key immediately."""
    response = AdminClient(url, admin_key_env, needs_key=True).send("DELETE", f"/v1/keys/{quote(name, safe='')}")
    typer.echo(json.dumps(response, indent=2) if as_json else f"key {name} revoked")


@app.command("hash")
def hash_key(as_json: Annotated[bool, typer.Option("--json", help="Print the hash as JSON.")] = False) -> None:
    """Read a secret from standard input or a prompt, and print its SHA-256 for config.yaml."""
    is_terminal = sys.stdin.isatty()
    secret = typer.prompt("secret", hide_input=True, err=True) if is_terminal else sys.stdin.read()
    secret = secret.strip()
    if not secret or not secret.isprintable():
        raise InputsError("expected a secret of one line on standard input")
    digest = hashlib.sha256(secret.encode()).hexdigest()
    typer.echo(json.dumps({"sha256": digest}) if as_json else digest)


def _limit(value: float | str | None) -> str:
    return format_number(None if value is None else float(value), "{:g}")


def _join(names: list[str] | None) -> str:
    return "all" if names is None else ", ".join(names)
