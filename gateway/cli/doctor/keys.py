"""Checks of clients' keys, those of the configuration and those in the state: expiry, limits, use, unpriced models."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gateway.cli.doctor.finding import Finding, make_ok, make_warning
from gateway.config import Config, KeyLimits
from gateway.errors import StateError
from gateway.keys.client_keys import to_client_keys
from gateway.keys.key_records import ClientKey, from_config
from gateway.state.sqlite_records import SqliteRecords
from gateway.state.sqlite_schema import SCHEMA
from gateway.tasks.policies import build_prices
from gateway.tasks.resolved_config import ResolvedConfig

if TYPE_CHECKING:
    from gateway.distributed.store_records import RedisRecords
    from gateway.state.sqlite_file import SqliteFile

DAY_S = 86_400.0
SOON_DAYS = 14
UNUSED_DAYS = 90
MAX_NAMES = 8
"""Keys that a finding names."""


def check_client_keys(plan: ResolvedConfig) -> Iterator[Finding]:
    """Check every client's key. The state is read as it is; one that does not exist yet has no keys."""
    created, uses = _read_state(plan.config)
    keys = [*map(from_config, plan.config.keys), *created.values()]
    now = time.time()
    yield from _check_expiry(keys, now)
    yield from _check_limits([one for one in keys if not _is_expired(one, now)], plan)
    yield from _check_use(keys, uses, now)


def _read_state(config: Config) -> tuple[Mapping[str, ClientKey], Mapping[str, float]]:
    """Return the created keys, and the last use of all keys' secrets; nothing where the state cannot be read."""
    try:
        with _open_records(config) as records:
            if records is None:
                return {}, {}
            created = to_client_keys(records.created_keys())
            keys = [*map(from_config, config.keys), *created.values()]
            return created, records.secret_uses([secret.sha256 for key in keys for secret in key.secrets])
    except (StateError, ImportError, sqlite3.Error):  # the check of the state reports it
        return {}, {}


@contextmanager
def _open_records(config: Config) -> Iterator["SqliteRecords | RedisRecords | None"]:
    """Open the state's keys for reading; None for a file that does not exist, or that a gateway has yet to migrate."""
    if config.state.is_shared:
        from gateway.distributed.redis_client import RedisClient, RedisSettings
        from gateway.distributed.redis_keys import DEFAULT_PREFIX
        from gateway.distributed.store_records import RedisRecords

        client = RedisClient(config.state.url, settings=RedisSettings(config.state.prefix or DEFAULT_PREFIX))
        try:
            yield RedisRecords(client)
        finally:
            client.close_connections()
        return
    path = Path(config.state.url.removeprefix("sqlite:///"))
    if not path.exists():
        yield None
        return
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        yield SqliteRecords(cast("SqliteFile", ReadOnlyFile(connection))) if schema == SCHEMA else None


class ReadOnlyFile:
    """A state that is only looked at: opening it as a gateway does would migrate it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection."""
        yield self._connection


def _is_expired(key: ClientKey, now: float) -> bool:
    return key.key.expires_at is not None and key.key.expires_at.timestamp() <= now


def _check_expiry(keys: Sequence[ClientKey], now: float) -> Iterator[Finding]:
    expired = [key for key in keys if _is_expired(key, now)]
    if expired:
        fix = "`benchroute keys update NAME --expires 90d`, or `benchroute keys revoke NAME`"
        yield make_warning("keys expired", f"{_names(expired)}: requests with them get 401", fix)
    ending = [
        key
        for key in keys
        if key.key.expires_at is not None and 0 < key.key.expires_at.timestamp() - now < SOON_DAYS * DAY_S
    ]
    if ending:
        fix = "`benchroute keys update NAME --expires 90d`, or expires_at in the configuration"
        yield make_warning("keys expiring", f"within {SOON_DAYS} days: {_names(ending)}", fix)


def _check_limits(keys: Sequence[ClientKey], plan: ResolvedConfig) -> Iterator[Finding]:
    unlimited = [key for key in keys if not _is_limited(key.key)]
    if unlimited:
        fix = "`benchroute keys update NAME --budget-usd-per-month 100 --requests-per-minute 60`"
        yield make_warning("keys without limits", f"{_names(unlimited)}: neither a rate limit nor a budget", fix)
    priced = build_prices(plan.config, plan.manifest)
    unpriced = [model.name for model in plan.config.models if model.name not in priced]
    uncounted = [key for key in keys if _has_budget(key.key) and _may_use(key.key, unpriced)]
    if uncounted:
        models = ", ".join(unpriced[:MAX_NAMES])
        message = f"{_names(uncounted)}: may use {models}, which have no price and are not counted"
        yield make_warning("keys with budgets", message, "`benchroute config prices --write` looks prices up")


def _check_use(keys: Sequence[ClientKey], uses: Mapping[str, float], now: float) -> Iterator[Finding]:
    idle = [key for key in keys if _idle_days(key, uses, now) > UNUSED_DAYS]
    if idle:
        fix = "`benchroute keys revoke NAME`, if nobody needs it"
        yield make_warning("keys unused", f"for {UNUSED_DAYS} days: {_names(idle)}", fix)
    rotated = [key for key in keys if len(key.secrets) > 1]
    if rotated:
        yield make_ok(
            "keys rotated", f"with two secrets: {_names(rotated)}; `benchroute keys list` shows who uses which"
        )


def _idle_days(key: ClientKey, uses: Mapping[str, float], now: float) -> float:
    """Return the days since the last use, or else since the creation; 0 where neither is known."""
    known = [uses[one.sha256] for one in key.secrets if one.sha256 in uses]
    last = max(known, default=now if key.created_at is None else key.created_at)
    return (now - last) / DAY_S


def _is_limited(key: KeyLimits) -> bool:
    limits = (key.requests_per_minute, key.tokens_per_minute, key.max_concurrent_requests)
    return any(limit is not None for limit in limits) or _has_budget(key)


def _has_budget(key: KeyLimits) -> bool:
    return key.budget_usd_per_day is not None or key.budget_usd_per_month is not None


def _may_use(key: KeyLimits, models: Sequence[str]) -> bool:
    return any(key.models is None or model in key.models for model in models)


def _names(keys: Sequence[ClientKey]) -> str:
    names = [key.key.name for key in keys]
    return ", ".join(names[:MAX_NAMES]) + (f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else "")
