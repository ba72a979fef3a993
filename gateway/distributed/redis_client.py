"""A connection to Redis: one server, or a Cluster. Errors of redis-py become StateError here, and nowhere else.

redis://[user:password@]host[:port][/database], rediss:// for TLS; redis-cluster://host[:port],host[:port]… and
rediss-cluster:// for a Cluster. Nothing is connected before the first command.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from gateway.config.secrets import mask_url
from gateway.distributed.redis_keys import DEFAULT_SHARDS
from gateway.distributed.scripts import Script
from gateway.errors import StateError
from gateway.vocabulary import PERCENT_ENCODE

REPLY_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 1.0
DEFAULT_PORT = 6379

RedisArg = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class RedisTimeouts:
    """Seconds after which a server that does not answer counts as down."""

    answer_s: float = REPLY_TIMEOUT_S
    connect_s: float = CONNECT_TIMEOUT_S


class RedisClient:
    """Connection to a Redis or a Cluster, shared by threads. Every method may raise StateError."""

    def __init__(self, url: str, timeouts: RedisTimeouts | None = None, shards: int = DEFAULT_SHARDS) -> None:
        """shards: their number in an empty Redis."""
        self.shards_wanted = shards
        self._url = mask_url(url)
        self._redis: Any = None
        self._target = url
        self._timeouts = timeouts or RedisTimeouts()

    def execute(self, *command: RedisArg) -> Any:
        """Run one command and return its answer, in bytes."""
        with self._translating_errors():
            return self._connected().execute_command(*command)

    def pipeline(self, commands: Sequence[Sequence[RedisArg]]) -> list[Any]:
        """Run commands in one round trip, without a transaction, and return their answers."""
        if not commands:
            return []
        with self._translating_errors(), self._connected().pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return list(pipeline.execute())

    def eval_script(self, script: Script, keys: Sequence[str], arguments: Sequence[RedisArg]) -> Any:
        """Run a Lua script on keys of one hash tag, and return its answer."""
        with self._translating_errors():
            redis = self._connected()
            try:
                return redis.evalsha(script.sha, len(keys), *keys, *arguments)
            except NoScriptError:
                # A server that was restarted, or a replica that became master, has not cached the script.
                return redis.eval(script.text, len(keys), *keys, *arguments)

    def scan_keys(self, key: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield the fields and values of a hash, in pieces, so that a large one does not block the server."""
        with self._translating_errors():
            yield from self._connected().hscan_iter(key, count=1000)

    def scan_members(self, key: str, pattern: str) -> Iterator[bytes]:
        """Yield the members of a sorted set that match a glob pattern, in no order and some perhaps twice."""
        with self._translating_errors():
            for member, _ in self._connected().zscan_iter(key, match=pattern, count=1000):
                yield member

    def subscribe(self, *channels: str) -> "Subscription":
        """Subscribe to channels."""
        with self._translating_errors():
            pubsub = self._connected().pubsub(ignore_subscribe_messages=True)
            pubsub.subscribe(*channels)
            return Subscription(pubsub, self._url)

    def close_connections(self) -> None:
        """Close all connections; the next command opens one."""
        if self._redis is not None:
            self._redis.close()
            self._redis = None

    def _connected(self) -> Any:
        if self._redis is None:
            try:
                self._redis = _opened(self._target, self._timeouts)
            except ValueError:  # its message quotes what it takes for a port, which may be a part of the password
                raise StateError(f"{self._url}: not a valid Redis URL; {PERCENT_ENCODE}") from None
        return self._redis

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        with translate_errors(self._url):
            yield


class Subscription:
    """Subscription to channels. Its methods may raise StateError."""

    def __init__(self, pubsub: PubSub, url: str) -> None:
        self._pubsub = pubsub
        self._url = url

    def next_message(self, timeout_s: float) -> tuple[str, bytes] | None:
        """Return the next message and its channel; None where none comes in time."""
        with translate_errors(self._url):
            message: Any = self._pubsub.get_message(timeout=timeout_s)
        if message is None or message["type"] != "message":
            return None
        return message["channel"].decode(), message["data"]

    def close_subscription(self) -> None:
        """End the subscription."""
        with translate_errors(self._url):
            self._pubsub.close()


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Raise StateError for what redis-py raises inside."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise StateError(f"{url}: {error or type(error).__name__}") from error


def _opened(url: str, timeouts: RedisTimeouts) -> Any:
    options: dict[str, Any] = {
        "socket_timeout": timeouts.answer_s,
        "socket_connect_timeout": timeouts.connect_s,
        # Callers decide on retries: a silent one could add twice what is not idempotent, and waits add up.
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if "-cluster" not in url.partition("://")[0]:
        return Redis.from_url(url, **options)
    parts = urlsplit(url)
    if parts.username or parts.password:
        options |= {"username": unquote(parts.username or "") or None, "password": unquote(parts.password or "")}
    if parts.scheme == "rediss-cluster":
        options["ssl"] = True
    # Over all nodes: one attempt more, since a slot may have moved to another node.
    options["retry"] = Retry(NoBackoff(), 1)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    places = [(host, int(port or DEFAULT_PORT)) for host, _, port in (each.partition(":") for each in hosts)]
    nodes = [ClusterNode(host, port) for host, port in places]  # type: ignore[no-untyped-call]
    return RedisCluster(startup_nodes=nodes, **options)
