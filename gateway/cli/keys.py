"""`benchroute keys …`: client keys of a running gateway, through its management API."""

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, AdminKeyEnv, AsJson, Url
from gateway.cli.errors import InputsError, OptionError
from gateway.cli.option_groups import with_option_groups
from gateway.cli.terminal import UNKNOWN, format_number, make_table, print_note, stdout_console

app = typer.Typer(help="Client keys of a running gateway.", no_args_is_help=True)

RATES = ("requests_per_minute", "tokens_per_minute", "max_concurrent_requests")
BUDGETS = ("budget_usd_per_day", "budget_usd_per_month")
UNITS_S = {"m": 60, "h": 3600, "d": 86_400}

_SPAN = re.compile(r"([0-9]{1,9})([mhd])")


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Permissions, limits, budgets and expiry of a key."""

    default_task: Annotated[str | None, typer.Option(help="Task of requests that name none.")] = None
    model: Annotated[list[str] | None, typer.Option("--model", help="Allowed model; repeatable. Default: all.")] = None
    task: Annotated[list[str] | None, typer.Option("--task", help="Allowed task; repeatable. Default: all.")] = None
    requests_per_minute: Annotated[
        float | None, typer.Option(help="Rate limit, requests per minute. Default: none.")
    ] = None
    tokens_per_minute: Annotated[float | None, typer.Option(help="Rate limit, tokens per minute. Default: none.")] = (
        None
    )
    max_concurrent_requests: Annotated[
        int | None, typer.Option(help="Maximum number of requests in flight. Default: none.")
    ] = None
    budget_usd_per_day: Annotated[str | None, typer.Option(help="Budget, US dollars per day. Default: none.")] = None
    budget_usd_per_month: Annotated[str | None, typer.Option(help="Budget, US dollars per month. Default: none.")] = (
        None
    )
    expires: Annotated[
        str | None,
        typer.Option(
            help="When the key expires: `30d`, `12h`, or a time such as 2027-01-31T00:00:00Z. Default: never."
        ),
    ] = None

    def to_json(self) -> dict[str, Any]:
        """Return the settings that were given, by their names in the API. Raises OptionError."""
        expires_at = None if self.expires is None else _point_in_time("--expires", self.expires)
        given = {"default_task": self.default_task, "models": self.model or None, "tasks": self.task or None}
        limits = {name: getattr(self, name) for name in (*RATES, *BUDGETS)}
        every = {**given, **limits, "expires_at": expires_at}
        return {name: value for name, value in every.items() if value is not None}


KeyName = Annotated[str, typer.Argument(help="Name of the key.", show_default=False)]


@app.command("create")
@with_option_groups
def create_key(
    name: Annotated[str, typer.Argument(help="Unique name, used for usage tracking.", show_default=False)],
    settings: KeySettings,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Create a key, valid immediately, and print its secret, which is shown only once."""
    given = {"name": name, **settings.to_json()}
    created = AdminClient(url, admin_key_env, needs_key=True).send("POST", "/v1/keys", given)
    _show_secret(created, f"key {name} created", as_json)


@app.command("update")
@with_option_groups
def update_key(
    name: KeyName,
    settings: KeySettings,
    clear: Annotated[
        list[str] | None,
        typer.Option(help="Setting to remove, for instance `requests_per_minute` or `expires_at`; repeatable."),
    ] = None,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Change permissions, limits, budgets or expiry of a created key. What is not given stays as it is."""
    given = settings.to_json() | dict.fromkeys((one.replace("-", "_") for one in clear or ()), None)
    if not given:
        raise OptionError("nothing to change: name a setting, or --clear one")
    changed = AdminClient(url, admin_key_env, needs_key=True).send("PATCH", _path(name), given)
    typer.echo(json.dumps(changed, indent=2) if as_json else f"key {name} changed")


@app.command("rotate")
def rotate_key(
    name: KeyName,
    old_expires: Annotated[
        str | None,
        typer.Option(help="When the former secret expires: `7d`, `12h`, or a time. Default: when it is revoked."),
    ] = None,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Give a key a new secret and print it. The former one stays valid until it expires or is revoked."""
    until = None if old_expires is None else _point_in_time("--old-expires", old_expires)
    client = AdminClient(url, admin_key_env, needs_key=True)
    rotated = client.send("POST", f"{_path(name)}/rotate", {"old_expires_at": until})
    former = rotated["secrets"][0]
    end = f"until {former['expires_at']}" if former["expires_at"] else "until it is revoked"
    step = f"`benchroute keys revoke {name} --secret {former['number']}`"
    _show_secret(rotated, f"key {name} rotated; the former secret is valid {end} ({step})", as_json)


@app.command("list")
def list_keys(url: Url = LOCAL, admin_key_env: AdminKeyEnv = ADMIN_KEY, as_json: AsJson = False) -> None:
    """List client keys with their source, permissions, limits, expiry, last use, and usage today (UTC)."""
    client = AdminClient(url, admin_key_env, needs_key=True)
    found = {"object": "list", "data": list(client.read_pages("/v1/keys"))}
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    shown = make_table(
        ["name", "source", "created", "models", "tasks"],
        ["requests/min", "tokens/min", "in flight", "USD/day", "USD/month", "requests today", "USD today"],
    )
    for key in found["data"]:
        limits = [_limit(key[name]) for name in RATES] + [_limit(key[name]) for name in BUDGETS]
        usage = (str(key["today"]["requests"]), format_number(key["today"]["cost_usd"], "{:.4f}"))
        words = (key["created_at"] or UNKNOWN, _join(key["models"]), _join(key["tasks"]))
        shown.add_row(key["name"], key["source"], *words, *limits, *usage)
    stdout_console().print(shown)
    _show_secrets(found["data"])


@app.command("revoke")
def revoke_key(
    name: KeyName,
    secret: Annotated[
        int | None, typer.Option(help="Number of the secret to revoke, of a key that has two. Default: the whole key.")
    ] = None,
    url: Url = LOCAL,
    admin_key_env: AdminKeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Revoke a key, or one of its secrets, immediately."""
    path = _path(name) if secret is None else f"{_path(name)}/secrets/{secret}"
    response = AdminClient(url, admin_key_env, needs_key=True).send("DELETE", path)
    what = f"key {name}" if secret is None else f"secret {secret} of key {name}"
    typer.echo(json.dumps(response, indent=2) if as_json else f"{what} revoked")


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


def _path(name: str) -> str:
    return f"/v1/keys/{quote(name, safe='')}"


def _point_in_time(option: str, text: str) -> str:
    """Return a time for the API: of a span from now, or as it was given. Raises OptionError."""
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        seconds = int(span[1]) * UNITS_S[span[2]]
        try:
            return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
        except OverflowError:
            raise OptionError(f"{option} {text!r}: too far in the future") from None
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        raise OptionError(f"{option} {text!r}: expected `30d`, `12h`, or a time such as 2027-01-31T00:00:00Z") from None
    return text.strip()


def _show_secret(key: dict[str, Any], done: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(key, indent=2))
        return
    print_note(f"{done}; copy its secret now, it will not be shown again:")
    typer.echo(key["secret"])


def _show_secrets(keys: Sequence[Any]) -> None:
    """Print what is to be said of secrets: each one's last use and expiry."""
    shown = make_table(["key", "secret", "last used", "expires"], [])
    for key in keys:
        for one in key["secrets"]:
            name = f"{one['number']}" + ("" if one["is_current"] else " (former)")
            ends = [at for at in (key["expires_at"], one["expires_at"]) if at]
            until = min(ends, default=UNKNOWN)
            shown.add_row(key["name"], name, one["last_used_at"] or UNKNOWN, "expired" if key["is_expired"] else until)
    stdout_console().print(shown)


def _limit(value: float | str | None) -> str:
    return format_number(None if value is None else float(value), "{:g}")


def _join(names: list[str] | None) -> str:
    return "all" if names is None else ", ".join(names)
