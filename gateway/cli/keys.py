"""`benchroute keys …`: clients' keys of a running gateway, over its admin endpoints."""

import hashlib
import json
import sys
from typing import Annotated
from urllib.parse import quote

import typer

from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, AdminKeyEnv, AsJson, Url
from gateway.cli.errors import InputsError
from gateway.cli.terminal import UNKNOWN, format_number, make_table, print_note, stdout_console

app = typer.Typer(help="Clients' keys of a running gateway.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Clients' keys of a running gateway."""


@app.command("create")
def create_key(
    name: Annotated[
        str, typer.Argument(help="What the key is called, and its spending booked on.", show_default=False)
    ],
    default_task: Annotated[str | None, typer.Option(help="The task of calls that name none.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="A model it may use, once or more. Default: all.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="A task it may use, once or more. Default: all.")] = None,
    requests_per_minute: Annotated[float | None, typer.Option(help="How many requests a minute. Default: any.")] = None,
    tokens_per_minute: Annotated[float | None, typer.Option(help="How many tokens a minute. Default: any.")] = None,
    budget_usd_per_day: Annotated[str | None, typer.Option(help="US dollars a day. Default: any.")] = None,
    budget_usd_per_month: Annotated[str | None, typer.Option(help="US dollars a month. Default: any.")] = None,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Make a key, in force at once, and print its secret: it is shown this one time."""
    terms = {
        "name": name,
        "default_task": default_task,
        "models": model or None,
        "tasks": task or None,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "budget_usd_per_day": budget_usd_per_day,
        "budget_usd_per_month": budget_usd_per_month,
    }
    made = AdminClient(url, admin_key_env, needs_key=True).send("POST", "/v1/keys", terms)
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    print_note(f"key {name}; its secret is shown this one time:")
    typer.echo(made["secret"])


@app.command("list")
def list_keys(url: Url = LOCAL, admin_key_env: AdminKeyEnv = ADMIN_KEY, as_json: AsJson = False) -> None:
    """Show every key: where it is from, what it may do, what it spent today (UTC)."""
    found = AdminClient(url, admin_key_env, needs_key=True).send("GET", "/v1/keys")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    shown = make_table(
        ["name", "from", "created", "models", "tasks"],
        ["requests/min", "tokens/min", "USD/day", "USD/month", "requests today", "USD today"],
    )
    for key in found["data"]:
        limits = [_limit(key[name]) for name in ("requests_per_minute", "tokens_per_minute")]
        limits += [_limit(key[name]) for name in ("budget_usd_per_day", "budget_usd_per_month")]
        spent = (str(key["today"]["requests"]), format_number(key["today"]["cost_usd"], "{:.4f}"))
        words = (key["created_at"] or UNKNOWN, _listed(key["models"]), _listed(key["tasks"]))
        shown.add_row(key["name"], key["source"], *words, *limits, *spent)
    stdout_console().print(shown)


@app.command("revoke")
def revoke_key(
    name: Annotated[str, typer.Argument(help="The key's name.", show_default=False)],
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Take a key out of force, at once."""
    answer = AdminClient(url, admin_key_env, needs_key=True).send("DELETE", f"/v1/keys/{quote(name, safe='')}")
    typer.echo(json.dumps(answer, indent=2) if as_json else f"{name} is revoked")


@app.command("hash")
def hash_key(as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Read a secret from standard input, or ask for it, and print the sha256 that config.yaml takes."""
    is_terminal = sys.stdin.isatty()
    secret = typer.prompt("secret", hide_input=True, err=True) if is_terminal else sys.stdin.read()
    secret = secret.strip()
    if not secret or not secret.isprintable():
        raise InputsError("standard input holds no secret in one line")
    digest = hashlib.sha256(secret.encode()).hexdigest()
    typer.echo(json.dumps({"sha256": digest}) if as_json else digest)


def _limit(value: float | str | None) -> str:
    return format_number(None if value is None else float(value), "{:g}")


def _listed(names: list[str] | None) -> str:
    return "all" if names is None else ", ".join(names)
