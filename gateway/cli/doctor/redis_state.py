"""Checks of state in Redis: version, installation, eviction, persistence. They write nothing."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gateway.cli.doctor.finding import Finding, make_error, make_ok, make_warning
from gateway.config import Config
from gateway.config.secrets import mask_url
from gateway.errors import StateError

if TYPE_CHECKING:
    from gateway.distributed.redis_client import RedisClient

MIN_REDIS = 7
"""The scripts declare their flags, a feature of Redis 7
(https://redis.io/docs/latest/develop/programmability/)."""

EVICTING = ("allkeys-", "volatile-")


def check_redis(config: Config) -> Iterator[Finding]:
    """Check that Redis responds, is recent enough, belongs to this installation, and keeps what it has."""
    try:
        from gateway.distributed.redis_client import RedisClient, RedisSettings, own_installation
        from gateway.distributed.redis_keys import DEFAULT_PREFIX
    except ImportError:
        yield make_error("state", "the Redis client is not installed", "pip install 'benchroute[redis]'")
        return
    shown = mask_url(config.state.url)
    try:
        client = RedisClient(config.state.url, settings=RedisSettings(config.state.prefix or DEFAULT_PREFIX))
        try:
            versions = sorted({str(node["redis_version"]) for node in _read_info(client, "server")})
            record = client.execute("GET", client.keys.installation)
            findings = [*_check_eviction(client), *_check_persistence(client)]
        finally:
            client.close_connections()
    except StateError as error:
        yield make_error("state", f"{shown}: {error}", "start Redis, or correct state.url")
        return
    for one in versions:
        if _major(one) < MIN_REDIS:
            yield make_error("state", f"{shown} is Redis {one}", f"upgrade to Redis {MIN_REDIS} or newer")
        else:
            yield make_ok("state", f"{shown}: Redis {one}")
    try:
        own_installation(config).check(record, client.keys)
    except StateError as error:
        yield make_error("state installation", str(error), "set state.prefix")
    yield from findings


def _check_eviction(client: "RedisClient") -> Iterator[Finding]:
    """A full Redis that evicts takes any key: a lease, a budget's sum, a task."""
    policies = {str(node.get("maxmemory_policy", "")) for node in _read_info(client, "memory")}
    evicting = sorted(policy for policy in policies if policy.startswith(EVICTING))
    if evicting:
        message = f"maxmemory-policy {', '.join(evicting)}: a full Redis deletes keys, budgets and tasks"
        yield make_warning("state eviction", message, "CONFIG SET maxmemory-policy noeviction, and in redis.conf")
    elif policies - {""}:
        yield make_ok("state eviction", f"maxmemory-policy {', '.join(sorted(policies))}")


def _check_persistence(client: "RedisClient") -> Iterator[Finding]:
    check = "state persistence"
    if all(int(node.get("aof_enabled", 0)) for node in _read_info(client, "persistence")):
        yield make_ok(check, "append-only file")
        return
    fix = "CONFIG SET appendonly yes, and in redis.conf"
    try:
        saved = client.execute("CONFIG", "GET", "save")
    except StateError:
        # Hosted services refuse CONFIG.
        yield make_warning(check, "no append-only file; whether it takes snapshots, Redis does not tell this user", fix)
        return
    if _has_snapshots(saved):
        yield make_ok(check, "snapshots: a restart loses what was written since the last one; an append-only file, 1 s")
    else:
        message = "neither append-only file nor snapshots: a restart loses keys, policies, spending and tasks"
        yield make_warning(check, message, fix)


def _read_info(client: "RedisClient", section: str) -> list[Mapping[str, Any]]:
    """Return a section of INFO of each node."""
    info = client.execute("INFO", section)
    if isinstance(info, Mapping) and all(isinstance(node, Mapping) for node in info.values()) and info:
        return list(info.values())
    return [info]


def _has_snapshots(saved: object) -> bool:
    """Return True if `save` is set on the node that answered."""
    values = list(saved.values()) if isinstance(saved, Mapping) else list(saved or ())[1::2]  # type: ignore[call-overload]
    return any(value not in ("", b"") for value in values)


def _major(found: str) -> int:
    first = found.partition(".")[0]
    return int(first) if first.isdigit() else 0
