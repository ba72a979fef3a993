"""`benchroute keys …`: clients' keys of a running gateway, over its admin endpoints."""

import hashlib
import http.client
import json
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import typer

from gateway.cli.errors import AdminError, ChoiceError, InputsError
from gateway.cli.terminal import UNKNOWN, note, number, results, table

app = typer.Typer(help="Clients' keys of a running gateway.", no_args_is_help=True)

TIMEOUT_S = 30.0

Url = Annotated[str, typer.Option(help="The gateway.")]
KeyEnv = Annotated[str, typer.Option(help="The environment variable that holds an admin key.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the gateway's answer.")]

LOCAL = "http://127.0.0.1:8100"
ADMIN_KEY = "BENCHROUTE_ADMIN_KEY"


@app.callback()
def _group() -> None:
    """Clients' keys of a running gateway."""


@app.command()
def create(
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
    admin_key_env: KeyEnv = ADMIN_KEY,
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
    made = Admin(url, admin_key_env).ask("POST", "/v1/keys", terms)
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    note(f"key {name}; its secret is shown this one time:")
    typer.echo(made["secret"])


@app.command("list")
def list_(url: Url = LOCAL, admin_key_env: KeyEnv = ADMIN_KEY, as_json: AsJson = False) -> None:
    """Show every key: where it is from, what it may do, what it spent today (UTC)."""
    found = Admin(url, admin_key_env).ask("GET", "/v1/keys")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    shown = table(
        ["name", "from", "created", "models", "tasks"],
        ["requests/min", "tokens/min", "USD/day", "USD/month", "requests today", "USD today"],
    )
    for key in found["data"]:
        limits = [_limit(key[name]) for name in ("requests_per_minute", "tokens_per_minute")]
        limits += [_limit(key[name]) for name in ("budget_usd_per_day", "budget_usd_per_month")]
        spent = (str(key["today"]["requests"]), number(key["today"]["usd"], "{:.4f}"))
        words = (key["created_at"] or UNKNOWN, _listed(key["models"]), _listed(key["tasks"]))
        shown.add_row(key["name"], key["source"], *words, *limits, *spent)
    results().print(shown)


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The key's name.", show_default=False)],
    url: Url = LOCAL,
    admin_key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Take a key out of force, at once."""
    answer = Admin(url, admin_key_env).ask("DELETE", f"/v1/keys/{quote(name, safe='')}")
    typer.echo(json.dumps(answer, indent=2) if as_json else f"{name} is revoked")


@app.command("hash")
def hash_(as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Read a secret from standard input, or ask for it, and print the sha256 that config.yaml takes."""
    is_terminal = sys.stdin.isatty()
    secret = typer.prompt("secret", hide_input=True, err=True) if is_terminal else sys.stdin.read()
    secret = secret.strip()
    if not secret or not secret.isprintable():
        raise InputsError("standard input holds no secret in one line")
    digest = hashlib.sha256(secret.encode()).hexdigest()
    typer.echo(json.dumps({"sha256": digest}) if as_json else digest)


class Admin:
    """A gateway's admin endpoints. No proxies, no redirects: the key goes where it is meant to go, or nowhere."""

    def __init__(self, url: str, key_env: str) -> None:
        """Raises ChoiceError for what is no URL, or a variable that is not set."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ChoiceError(f"--url {url!r} is no http:// or https:// URL")
        key = os.environ.get(key_env, "").strip()
        if not key:
            raise ChoiceError(f"the environment variable {key_env} holds no admin key; --admin-key-env names another")
        self._url = url
        self._key = key
        self._is_safe = parts.scheme == "https"
        self._netloc = parts.netloc
        self._below = parts.path.rstrip("/").removesuffix("/v1")

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's document. Raises AdminError for a refusal, and where there is no gateway."""
        kind = http.client.HTTPSConnection if self._is_safe else http.client.HTTPConnection
        connection = kind(self._netloc, timeout=TIMEOUT_S)
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        try:
            connection.request(method, self._below + path, data, headers)
            response = connection.getresponse()
            return self._document(response.status, response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AdminError(f"{self._url}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def _document(self, status: int, body: bytes) -> Any:
        try:
            document = json.loads(body)
        except ValueError as error:
            raise AdminError(f"{self._url} answered with status {status} and no JSON: is it a gateway?") from error
        if status == http.client.OK:
            return document
        told = document.get("error") if isinstance(document, dict) else None
        message = told.get("message") if isinstance(told, dict) else None
        raise AdminError(f"the gateway refused with status {status}: {message or document}")


def _limit(value: float | str | None) -> str:
    return number(None if value is None else float(value), "{:g}")


def _listed(names: list[str] | None) -> str:
    return "all" if names is None else ", ".join(names)
