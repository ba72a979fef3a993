"""`benchroute pack push`, `list`, `activate`, `rollback` and `diff`: packs in a fleet's Redis."""

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

from gateway.cli.terminal import UNKNOWN, note, number, results, table
from gateway.config import Config, load_config
from gateway.config.schema import RoutingConfig
from gateway.errors import ConfigError, PackRefused
from gateway.state.sqlite import open_store
from gateway.state.store import Store

if TYPE_CHECKING:
    from gateway.distributed.packs import Active
    from gateway.distributed.redis_client import Client
    from routing.calibration import RoutingSettings
    from routing.router import Router

ConfigOption = Annotated[Path, typer.Option("--config", help="The gateways' configuration, which names the state.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Named = Annotated[str, typer.Argument(help="A pack's hash, or its first digits.", show_default=False)]
CONFIG = Path("config.yaml")
ACTIVE = "active"
SHOWN = 12


def push(
    pack: Annotated[Path, typer.Argument(help="A pack: a folder or a .tar.", show_default=False)],
    config: ConfigOption = CONFIG,
    activate_it: Annotated[bool, typer.Option("--activate", help="And put it in force.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a pack into Redis, where every gateway and scorer can fetch it."""
    from gateway.distributed import packs
    from routing.pack import open_pack

    open_pack(pack)  # every byte of it: what is pushed is used everywhere
    with _connected(config) as client:
        pushed = packs.push(client, pack, time.time())
        if activate_it:
            packs.activate(client, pushed, time.time())
    if as_json:
        typer.echo(json.dumps({"hash": pushed.hash, "size": pushed.size, "chunks": pushed.chunks}))
    else:
        typer.echo(f"{pushed.hash}  {pushed.name}  {decimal(pushed.size)}{'  active' if activate_it else ''}")


def pushed(pack: Path, config: Path) -> int:
    """Pushes a pack and puts it in force. The activation's number."""
    from gateway.distributed import packs
    from routing.pack import open_pack

    open_pack(pack)
    with _connected(config) as client:
        return packs.activate(client, packs.push(client, pack, time.time()), time.time()).version


def activate(pack: Named, config: ConfigOption = CONFIG, as_json: AsJson = False) -> None:
    """Put a pack in force: every scorer takes it up without a restart, and scores all live tasks again."""
    from gateway.distributed import packs

    with _connected(config) as client:
        active = packs.activate(client, packs.find(client, pack), time.time())
    _show(active, as_json)


def rollback(config: ConfigOption = CONFIG, as_json: AsJson = False) -> None:
    """Put the pack in force that was before the active one."""
    from gateway.distributed import packs

    with _connected(config) as client:
        active = packs.rollback(client, time.time())
    _show(active, as_json)


def _show(active: "Active", as_json: bool) -> None:
    typer.echo(json.dumps(asdict(active)) if as_json else f"activation {active.version}: {active.hash}")


def list_(config: ConfigOption = CONFIG, as_json: AsJson = False) -> None:
    """Show the packs in Redis, and which one is active."""
    from gateway.distributed import packs

    with _connected(config) as client:
        found, active = packs.listed(client), packs.active(client)
    if as_json:
        listed = [{"hash": one.hash, "name": one.name, "size": one.size, "pushed_at": one.at} for one in found]
        typer.echo(json.dumps({"data": listed, "active": active and asdict(active)}, indent=2))
        return
    shown = table(["hash", "name", "pushed", ""], ["size"])
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
    results().print(shown)


def _store(config: Config) -> Store:
    if not config.state.is_shared:
        return open_store(config.state.url)
    from gateway.distributed.redis_client import Client
    from gateway.distributed.store import RedisStore

    return RedisStore(Client(config.state.url))


def diff(
    a: Annotated[
        str, typer.Argument(help="The pack in use: a path, a hash in Redis, or `active`.", show_default=False)
    ],
    b: Annotated[str, typer.Argument(help="The pack that would take its place.", show_default=False)],
    config: ConfigOption = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show which live tasks would change their model, and by how much, if B took A's place."""
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
    shown = table(["task", "from", "to"], ["inputs", "score", "gain", "p"])
    for row in (row for row in found["data"] if row["before"] != row["after"]):
        numbers = [number(row.get(field), "{:.3f}") for field in ("score", "gain", "p")]
        shown.add_row(row["task"], row["before"] or UNKNOWN, row["after"], str(row["n"]), *numbers)
    results().print(shown)
    note(f"{found['changed']} of {found['tasks']} live tasks would change their model")


def _difference(store: Store, config: Config, old: "Router", new: "Router") -> dict[str, Any]:
    from gateway.scorer.inspection import Compared, difference
    from gateway.tasks.resolved_config import blueprint, task_policy
    from routing.scores import Score

    manifest = new.pack.manifest
    plan = blueprint(config.model_copy(update={"routing": _without_pack(config)}), store.policies(), manifest)
    how = Compared(
        lambda task: task_policy(plan.policies.of(task)), lambda policy: Score(policy.score or config.routing.score)
    )
    return difference(store, old, new, how, most=None)


def _without_pack(config: Config) -> RoutingConfig:
    return config.routing.model_copy(update={"pack": None})


def _settings(config: Config) -> "RoutingSettings":
    from routing.calibration import RoutingSettings

    routing = config.routing
    return RoutingSettings(k=routing.k, kappa=routing.kappa, sigma=routing.sigma, eta=routing.eta)


def _path(name: str, config: Config) -> Path:
    """Where a pack lies on this machine, fetched from Redis if need be. Raises PackRefused."""
    if Path(name).exists():
        return Path(name)
    from gateway.distributed import packs

    with _client(config) as client:
        if name == ACTIVE:
            found = packs.checked(client)
            if found is None:
                raise PackRefused("no pack is active in Redis")
            pushed = found[1]
        else:
            pushed = packs.find(client, name)
        return packs.fetch(client, pushed, Path(config.state.cache).expanduser())


@contextmanager
def _connected(config: Path) -> "Iterator[Client]":
    with _client(load_config(config)) as client:
        yield client


@contextmanager
def _client(config: Config) -> "Iterator[Client]":
    if not config.state.is_shared:
        raise ConfigError("state", [("state.url", "packs are pushed to Redis, and the state is not there")])
    from gateway.distributed.redis_client import Client

    client = Client(config.state.url, shards=config.state.shards)
    try:
        yield client
    finally:
        client.close()
