"""`benchroute tasks rename`, `merge`, `unmerge`, `delete`, `pin`, `unpin`: changes of tasks of a running gateway."""

import json
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.client import ADMIN_KEY, LOCAL, AdminClient, AsJson, KeyEnv, Url
from gateway.cli.errors import OptionError
from gateway.cli.terminal import stdout_console

Task = Annotated[str, typer.Argument(help="Task ID.", show_default=False)]


def rename_task(
    task: Task,
    name: Annotated[str, typer.Argument(help="Display name; an empty one removes it.", show_default=False)],
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Set a task's display name. Its ID stays; to move an automatic task to an ID of yours, merge it into that."""
    found = AdminClient(url, key_env).send("PATCH", _path(task), {"name": name or None})
    _tell(found, f"{task} is shown as {name}" if name else f"{task} has no display name", as_json)


def merge_tasks(
    target: Annotated[str, typer.Argument(help="Task that the others are merged into; it may be new.")],
    sources: Annotated[list[str], typer.Argument(help="Tasks to merge.", show_default=False)],
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Merge tasks into one: their inputs, labels, usage and policy, and all their later requests."""
    found = AdminClient(url, key_env).send("POST", _path(target, "/merge"), {"sources": sources})
    moved = f"{', '.join(sources)} merged into {target}, {found['moved_inputs']} inputs moved; later requests go there"
    _tell(found, moved, as_json)


def unmerge_task(task: Task, url: Url = LOCAL, key_env: KeyEnv = ADMIN_KEY, as_json: AsJson = False) -> None:
    """Undo the merge of a task for its later requests; inputs that were moved stay where they are."""
    found = AdminClient(url, key_env).send("DELETE", _path(task, "/merge"))
    _tell(found, f"later requests of {task} are its own again; moved inputs stay in {found['id']}", as_json)


def delete_task(
    task: Task,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Delete a task's inputs, scores, decisions and name; its policy stays. The next request begins it again."""
    if not yes and not typer.confirm(f"Delete all that is known of task {task}?"):
        raise OptionError("not deleted")
    found = AdminClient(url, key_env).send("DELETE", _path(task))
    _tell(found, f"{task} deleted", as_json)


def pin_task(
    task: Task,
    model: Annotated[str, typer.Argument(help="Model that all its requests go to.", show_default=False)],
    url: Url = LOCAL,
    key_env: KeyEnv = ADMIN_KEY,
    as_json: AsJson = False,
) -> None:
    """Pin a task to a model; other overrides of its policy stay."""
    client = AdminClient(url, key_env)
    found = _change_policy(client, task, {**_overrides(client, task), "pin": model})
    _tell(found, f"{task} is pinned to {model}", as_json)


def unpin_task(task: Task, url: Url = LOCAL, key_env: KeyEnv = ADMIN_KEY, as_json: AsJson = False) -> None:
    """Remove a task's pin; other overrides of its policy stay."""
    client = AdminClient(url, key_env)
    policy = client.send("GET", _path(task, "/policy"))
    rest = {name: value for name, value in (policy["overrides"] or {}).items() if name != "pin"}
    if (policy["configured"] or {}).get("pin") is not None:
        rest["pin"] = None  # config.yaml pins it: only an override lifts that
    elif policy["effective"]["pin"] is None:
        raise OptionError(f"{task} is not pinned")
    found = _change_policy(client, task, rest)
    _tell(found, f"{task} is not pinned any more", as_json)


def _change_policy(client: AdminClient, task: str, overrides: Mapping[str, Any]) -> Any:
    if overrides:
        return client.send("PUT", _path(task, "/policy"), overrides)
    return client.send("DELETE", _path(task, "/policy"))


def _overrides(client: AdminClient, task: str) -> Mapping[str, Any]:
    overrides: Mapping[str, Any] | None = client.send("GET", _path(task, "/policy"))["overrides"]
    return overrides or {}


def _path(task: str, part: str = "") -> str:
    return f"/v1/tasks/{quote(task, safe='/')}{part}"


def _tell(found: Any, text: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        stdout_console().print(text, soft_wrap=True)
