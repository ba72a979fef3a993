"""A connection to Redis: one server, or a Cluster. Errors of redis-py become StateError here, and nowhere else.

redis://[user:password@]host[:port][/database], rediss:// for TLS; redis-cluster://host[:port],host[:port]… and
rediss-cluster:// for a Cluster. Nothing is connected before the first command.
"""

import re
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

from gateway.distributed.redis_keys import DEFAULT_SHARDS
from gateway.distributed.scripts import Script
from gateway.errors import StateError

REPLY_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 1.0
DEFAULT_PORT = 6379

RedisArg = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class RedisTimeouts:
    """Seconds until a server that says nothing is given up."""

    answer_s: float = REPLY_TIMEOUT_S
    connect_s: float = CONNECT_TIMEOUT_S


def mask_password(url: str) -> str:
    """The URL as it may be printed."""
    return re.sub(r"//[^/@]*@", "//**********@", url)


class RedisClient:
    """Threads may share one. Every method may raise StateError."""

    def __init__(self, url: str, patience: RedisTimeouts | None = None, shards: int = DEFAULT_SHARDS) -> None:
        """shards: how many there shall be, if nobody has said so before."""
        self.shards_wanted = shards
        self._url = mask_password(url)
        self._redis: Any = None
        self._target = url
        self._patience = patience or RedisTimeouts()

    def execute(self, *command: RedisArg) -> Any:
        """The answer to one command, in bytes."""
        with self._speaking():
            return self._connected().execute_command(*command)

    def pipeline(self, commands: Sequence[Sequence[RedisArg]]) -> list[Any]:
        """The answers to several, in one go; nothing keeps others from coming in between."""
        if not commands:
            return []
        with self._speaking(), self._connected().pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return list(pipeline.execute())

    def eval_script(self, script: Script, keys: Sequence[str], arguments: Sequence[RedisArg]) -> Any:
        """One Lua call; keys of one hash tag."""
        with self._speaking():
            redis = self._connected()
            try:
                return redis.evalsha(script.sha, len(keys), *keys, *arguments)
            except NoScriptError:  # this server has never seen it
                return redis.eval(script.text, len(keys), *keys, *arguments)

    def scan_keys(self, key: str) -> Iterator[tuple[bytes, bytes]]:
        """The fields and values of a hash, however many."""
        with self._speaking():
            yield from self._connected().hscan_iter(key, count=1000)

    def subscribe(self, *channels: str) -> "Subscription":
        """Listens from now on."""
        with self._speaking():
            listening = self._connected().pubsub(ignore_subscribe_messages=True)
            listening.subscribe(*channels)
            return Subscription(listening, self._url)

    def close_connections(self) -> None:
        """Lets go of all connections."""
        if self._redis is not None:
            self._redis.close()
            self._redis = None

    def _connected(self) -> Any:
        if self._redis is None:
            self._redis = _opened(self._target, self._patience)
        return self._redis

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        with translate_errors(self._url):
            yield


class Subscription:
    """What is told on channels. Its methods may raise StateError."""

    def __init__(self, listening: PubSub, url: str) -> None:
        self._listening = listening
        self._url = url

    def next_message(self, limit_s: float) -> tuple[str, bytes] | None:
        """The next channel and message, waited for this long at most."""
        with translate_errors(self._url):
            message: Any = self._listening.get_message(timeout=limit_s)
        if message is None or message["type"] != "message":
            return None
        return message["channel"].decode(), message["data"]

    def close_subscription(self) -> None:
        """Listens no more."""
        with translate_errors(self._url):
            self._listening.close()


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Whatever redis-py raises inside comes out as StateError."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise StateError(f"{url}: {error or type(error).__name__}") from error


def _opened(url: str, patience: RedisTimeouts) -> Any:
    options: dict[str, Any] = {
        "socket_timeout": patience.answer_s,
        "socket_connect_timeout": patience.connect_s,
        # Whoever calls knows whether to try again; silent attempts would keep it waiting for their sum.
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
    options["retry"] = Retry(NoBackoff(), 1)  # over all nodes: one of them may have moved what is asked for
    hosts = parts.netloc.rpartition("@")[2].split(",")
    places = [(host, int(port or DEFAULT_PORT)) for host, _, port in (each.partition(":") for each in hosts)]
    nodes = [ClusterNode(host, port) for host, port in places]  # type: ignore[no-untyped-call]
    return RedisCluster(startup_nodes=nodes, **options)
