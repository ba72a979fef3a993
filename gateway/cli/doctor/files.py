"""The configuration file, who may read what it holds, the keys, and the state."""

import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import yaml

from gateway.cli.doctor.finding import Finding, make_error, make_ok, make_warning
from gateway.cli.doctor.redis import check_redis
from gateway.config import LOOPBACK, Config, load_config
from gateway.errors import ConfigError, StateError
from gateway.tasks.resolved_config import ResolvedConfig, resolve_config

SQLITE = "sqlite:///"
OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH


def check_config(path: Path) -> tuple[ResolvedConfig | None, list[Finding]]:
    """What the file comes to; None where a gateway would not start with it, and every fault."""
    if not path.exists():
        return None, [
            make_error("config", f"{path} does not exist", "`benchroute init` writes one; --config names another")
        ]
    try:
        plan = resolve_config(load_config(path))
    except ConfigError as error:
        return None, [make_error(f"config {place}".strip(), told, f"mend it in {path}") for place, told in error.faults]
    return plan, [make_ok("config", f"{path}: {len(plan.config.models)} models")]


def check_exposure(path: Path) -> Iterator[Finding]:
    """Whether others on this machine can read keys in the file."""
    mode = path.stat().st_mode
    if mode & OTHERS_MAY_READ and _holds_key(yaml.safe_load(path.read_text(encoding="utf-8"))):
        told = f"{path} holds an api_key as it is, and others on this machine may read it ({stat.filemode(mode)})"
        yield make_warning("permissions", told, f"write ${{VARIABLE}} in its place, or `chmod 600 {path}`")
    else:
        yield make_ok("permissions", f"no key in {path} lies open ({stat.filemode(mode)})")


def check_keys(config: Config) -> Iterator[Finding]:
    """Who may use the gateway, and who may manage it."""
    if config.keys:
        yield make_ok("keys", f"{len(config.keys)} in the configuration")
    elif config.admin.keys:
        yield make_ok("keys", "clients need one; `benchroute keys create` makes it")
    elif config.server.host in LOOPBACK:
        yield make_ok("keys", f"none: whoever is on this machine may use the gateway ({config.server.host})")
    else:
        told = f"none, and it listens on {config.server.host}: whoever reaches the port may spend your money"
        yield make_warning("keys", told, "add an admin key: `benchroute keys hash`, then `benchroute keys create`")
    if config.admin.keys:
        yield make_ok("admin", f"{len(config.admin.keys)} admin keys")
    elif config.server.host in LOOPBACK:
        yield make_ok("admin", "none: nobody manages it over HTTP, and /metrics is open to this machine")
    else:
        told = "no admin key: nobody can create keys or reload, and anybody may read /metrics"
        yield make_warning(
            "admin", told, "`openssl rand -base64 32 | tee admin.key | benchroute keys hash`, see admin.keys"
        )


def check_state(config: Config) -> Iterator[Finding]:
    """Whether the state can be opened and read."""
    url = config.state.url
    if not url.startswith(SQLITE):
        yield from check_redis(url)
        return
    try:
        _try_file(Path(url.removeprefix(SQLITE)))
    except (StateError, OSError, sqlite3.Error) as error:
        mend = "state.url must name a file, or a place for one, that this user may write to"
        yield make_error("state", f"{url}: {error}", mend)
    else:
        yield make_ok("state", url)


def _holds_key(document: object) -> bool:
    """Whether an api_key stands there as it is, in no variable."""
    if isinstance(document, Mapping):
        key = document.get("api_key")
        return (isinstance(key, str) and "${" not in key) or any(map(_holds_key, document.values()))
    return isinstance(document, list) and any(map(_holds_key, document))


def _try_file(path: Path) -> None:
    """Neither makes the file nor brings it up to this version, as opening it for good would."""
    if not path.exists():
        if not os.access(path.absolute().parent, os.W_OK):
            raise StateError(f"{path.absolute().parent} cannot be written to")
        return
    if not os.access(path, os.W_OK):
        raise StateError(f"{path} cannot be written to")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
