"""`benchroute pack push`, `list`, `activate`, `rollback` and `diff`: packs in Redis."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.filesize import decimal

from gateway.cli.terminal import UNKNOWN, format_number, make_table, print_note, stdout_console
from gateway.config import Config, load_config
from gateway.config.schema import RoutingConfig
from gateway.errors import ConfigError, PackRejected
from gateway.packs import configured_path
from gateway.scorer.evidence import refuse_unrelated
from gateway.state.sqlite import open_store
from gateway.state.store import Store
from gateway.tasks.resolved_config import model_names
from routing.manifest import read_manifest

if TYPE_CHECKING:
    from gateway.distributed.packs import ActivePack
    from gateway.distributed.redis_client import RedisClient
    from routing.calibration import RoutingSettings
    from routing.router import Router

ConfigOption = Annotated[Path, typer.Option("--config", help="Configuration file of the gateways, with the state.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
PackHash = Annotated[str, typer.Argument(help="Hash of the pack, or its first digits.", show_default=False)]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Activate it even if it has outcomes of none of the models.")
]
CONFIG = Path("config.yaml")
ACTIVE = "active"
SHOWN = 12


def push_pack(
    pack: Annotated[
        str, typer.Argument(help="Pack: a folder, a .tar file, or `public` for the shipped one.", show_default=False)
    ],
    config: ConfigOption = CONFIG,
    activate_it: Annotated[bool, typer.Option("--activate", help="Activate the pack, too.")] = False,
    force: ForceOption = False,
    as_json: AsJson = False,
) -> None:
    """Upload a pack to Redis, for all gateways and scorers."""
    from gateway.distributed import packs
    from routing.pack import open_pack

    path = configured_path(pack) or Path(pack)
    open_pack(path)  # checks all of it, since every scorer will use it
    if activate_it and not force:
        refuse_unrelated(read_manifest(path), model_names(load_config(config)))
    with _connected(config) as client:
        pushed = packs.push_pack(client, path, time.time())
        if activate_it:
            packs.activate_pack(client, pushed, time.time())
    if as_json:
        typer.echo(json.dumps({"hash": pushed.hash, "size": pushed.size, "chunks": pushed.chunks}))
    else:
        typer.echo(f"{pushed.hash}  {pushed.name}  {decimal(pushed.size)}{'  active' if activate_it else ''}")


def push_and_activate(pack: Path, config: Path) -> int:
    """Upload a pack to Redis, activate it, and return the number of the activation."""
    from gateway.distributed import packs
    from routing.pack import open_pack

    open_pack(pack)
    with _connected(config) as client:
        return packs.activate_pack(client, packs.push_pack(client, pack, time.time()), time.time()).version


def activate_pack(
    pack: PackHash,
    config: ConfigOption = CONFIG,
    force: ForceOption = False,
    as_json: AsJson = False,
) -> None:
    """Activate a pack. All scorers load it without a restart, and rescore all live tasks."""
    from gateway.distributed import packs

    with _connected(config) as client:
        found = packs.find_pack(client, pack)
        if not force:
            refuse_unrelated(packs.read_stored_manifest(found), model_names(load_config(config)))
        active = packs.activate_pack(client, found, time.time())
    _show(active, as_json)


def rollback_pack(config: ConfigOption = CONFIG, as_json: AsJson = False) -> None:
    """Activate the previously active pack again."""
    from gateway.distributed import packs

    with _connected(config) as client:
        active = packs.rollback_pack(client, time.time())
    _show(active, as_json)


def _show(active: "ActivePack", as_json: bool) -> None:
    typer.echo(json.dumps(asdict(active)) if as_json else f"activation {active.version}: {active.hash}")


def list_packs(config: ConfigOption = CONFIG, as_json: AsJson = False) -> None:
    """List the packs in Redis, with the active one."""
    from gateway.distributed import packs

    with _connected(config) as client:
        found, active = packs.list_packs(client), packs.active_pack(client)
    if as_json:
        listed = [{"hash": one.hash, "name": one.name, "size": one.size, "pushed_at": one.at} for one in found]
        typer.echo(json.dumps({"data": listed, "active": active and asdict(active)}, indent=2))
        return
    shown = make_table(["hash", "name", "pushed", ""], ["size"])
    for one in found:
        is_active = active is not None and active.hash == one.hash
        at = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds")
        shown.add_row(
            one.hash[:SHOWN],
            one.name,
            at,
            f"active ({active.version})" if is_active and active else "",
            decimal(one.size),
        )
    stdout_console().print(shown)


def _store(config: Config) -> Store:
    if not config.state.is_shared:
        return open_store(config.state.url)
    from gateway.distributed.redis_client import open_client
    from gateway.distributed.store import RedisStore

    return RedisStore(open_client(config))


def diff_packs(
    a: Annotated[str, typer.Argument(help="Current pack: a path, a hash in Redis, or `active`.", show_default=False)],
    b: Annotated[str, typer.Argument(help="New pack, in the same form.", show_default=False)],
    config: ConfigOption = CONFIG,
    as_json: AsJson = False,
) -> None:
    """List the live tasks that would change their model with pack B instead of A, with the gain in score."""
    from routing.pack import open_pack
    from routing.router import Router

    read = load_config(config)
    old, new = (Router(open_pack(_path(name, read)), _settings(read)) for name in (a, b))
    store = _store(read)
    try:
        found = _difference(store, read, old, new)
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    shown = make_table(["task", "from", "to"], ["inputs", "score", "gain", "p"])
    for row in (row for row in found["data"] if row["before"] != row["after"]):
        numbers = [format_number(row.get(field), "{:.3f}") for field in ("score", "gain", "p")]
        shown.add_row(row["task"], row["before"] or UNKNOWN, row["after"], str(row["n"]), *numbers)
    stdout_console().print(shown)
    print_note(f"{found['changed']} of {found['tasks']} live tasks would change their model")


def _difference(store: Store, config: Config, old: "Router", new: "Router") -> dict[str, Any]:
    from gateway.scorer.inspection import ComparisonPolicy, pack_diff
    from gateway.tasks.resolved_config import resolve_config, task_policy

    manifest = new.pack.manifest
    plan = resolve_config(
        config.model_copy(update={"routing": _without_pack(config)}), store.current_policies(), manifest
    )
    how = ComparisonPolicy(
        lambda task: task_policy(plan.policies.policy_of(task)),
        config.routing.score,
    )
    return pack_diff(store, old, new, how, most=None)


def _without_pack(config: Config) -> RoutingConfig:
    return config.routing.model_copy(update={"pack": None})


def _settings(config: Config) -> "RoutingSettings":
    from gateway.scorer.service import routing_settings
    from gateway.tasks.resolved_config import score_settings

    return routing_settings(score_settings(config))


def _path(name: str, config: Config) -> Path:
    """The local path of a pack, downloaded from Redis if necessary. Raises PackRejected."""
    if Path(name).exists():
        return Path(name)
    from gateway.distributed import packs

    with _client(config) as client:
        if name == ACTIVE:
            found = packs.active_and_stored(client)
            if found is None:
                raise PackRejected("no pack is active in Redis")
            pushed = found[1]
        else:
            pushed = packs.find_pack(client, name)
        return packs.fetch_pack(client, pushed, Path(config.state.cache_dir).expanduser())


@contextmanager
def _connected(config: Path) -> "Iterator[RedisClient]":
    with _client(load_config(config)) as client:
        yield client


@contextmanager
def _client(config: Config) -> "Iterator[RedisClient]":
    if not config.state.is_shared:
        raise ConfigError("state", [("state.url", "this command requires state in Redis")])
    from gateway.distributed.redis_client import open_client

    client = open_client(config)
    try:
        yield client
    finally:
        client.close_connections()
