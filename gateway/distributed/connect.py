"""Connections of redis-py for the kinds of addresses: a server, a Cluster, a master that Sentinels name."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from gateway.config.redis_url import SENTINEL_PARAMETERS, RedisUrl
from gateway.errors import StateError

REPLY_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class RedisTimeouts:
    """Seconds after which a server that does not answer counts as down."""

    answer_s: float = REPLY_TIMEOUT_S
    connect_s: float = CONNECT_TIMEOUT_S


def open_connection(url: str, target: RedisUrl, timeouts: RedisTimeouts) -> Any:
    """Return a client of redis-py. Raises StateError for parameters that it does not know."""
    options: dict[str, Any] = {
        "socket_timeout": timeouts.answer_s,
        "socket_connect_timeout": timeouts.connect_s,
        # Callers decide on retries: a silent one could add twice what is not idempotent, and waits add up.
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    try:
        if target.kind == "server":
            return Redis.from_url(url, **options)
        opened = _open_cluster if target.kind == "cluster" else _open_master
        return opened(target, options | _credentials(target) | _parameters(target))
    except (TypeError, ValueError) as error:
        # Of a ValueError nothing is shown: it quotes what it could not read.
        reason = error if isinstance(error, TypeError) else "a parameter has no valid value"
        raise StateError(f"state.url: its parameters cannot be used: {reason}") from None


def _credentials(target: RedisUrl) -> dict[str, Any]:
    found: dict[str, Any] = {"ssl": True} if target.is_tls else {}
    if target.username or target.password:
        found |= {"username": target.username or None, "password": target.password or None}
    return found


def _parameters(target: RedisUrl) -> dict[str, Any]:
    """Return the query's parameters as redis-py reads those of a single server's URL."""
    own = (*SENTINEL_PARAMETERS, "db")
    query = urlencode({name: value for name, value in target.parameters.items() if name not in own})
    scheme = "rediss" if target.is_tls else "redis"
    found: dict[str, Any] = dict(parse_url(f"{scheme}://host?{query}"))  # type: ignore[no-untyped-call]
    for name in ("host", "port", "db", "connection_class"):
        found.pop(name, None)
    return found


def _open_cluster(target: RedisUrl, options: dict[str, Any]) -> Any:
    # Over all nodes: one attempt more, since a slot may have moved to another node.
    options["retry"] = Retry(NoBackoff(), 1)
    nodes = [ClusterNode(host, port) for host, port in target.hosts]  # type: ignore[no-untyped-call]
    return RedisCluster(startup_nodes=nodes, **options)


def _open_master(target: RedisUrl, options: dict[str, Any]) -> Any:
    """Return a client that asks the Sentinels for the master at every new connection.

    A demoted master closes its clients' connections, or answers READONLY, which redis-py takes for a closed one
    (https://redis.io/docs/latest/develop/reference/sentinel-clients/).
    """
    names = {
        name.removeprefix("sentinel_"): value
        for name, value in target.parameters.items()
        if name in SENTINEL_PARAMETERS
    }
    of_sentinel = {name: value for name, value in options.items() if name not in ("username", "password")} | names
    sentinel: Any = Sentinel(target.hosts, sentinel_kwargs=of_sentinel)  # type: ignore[no-untyped-call]
    return sentinel.master_for(target.master, db=target.database, **options)
