"""A connection to Redis: one server, a Cluster, or a master that Sentinels name. Addresses: gateway.config.redis_url.

Errors of redis-py become StateError here, and nowhere else. Nothing is connected before the first command.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from redis.client import PubSub
from redis.exceptions import NoScriptError, RedisError

from gateway.config import Config
from gateway.config.redis_url import RedisUrl, parse_redis_url
from gateway.config.secrets import mask_url
from gateway.distributed.connect import RedisTimeouts, open_connection
from gateway.distributed.installation import (
    Installation,
    InstallationRecord,
    OtherInstallation,
    describe_membership,
    memory_file,
)
from gateway.distributed.redis_errors import describe_error
from gateway.distributed.redis_keys import DEFAULT_PREFIX, DEFAULT_SHARDS, KeySpace
from gateway.distributed.scripts import Script
from gateway.errors import StateError

RedisArg = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """What a configuration says of its state in Redis.

    Attributes:
        shards: their number in an empty Redis.
        installation: joined before the first command; None joins none and reads whatever is there.
    """

    prefix: str = DEFAULT_PREFIX
    shards: int = DEFAULT_SHARDS
    installation: Installation | None = None


class RedisClient:
    """Connection to a Redis or a Cluster, shared by threads. Every method may raise StateError."""

    def __init__(
        self,
        url: str,
        timeouts: RedisTimeouts | None = None,
        shards: int = DEFAULT_SHARDS,
        settings: RedisSettings | None = None,
    ) -> None:
        """shards: their number in an empty Redis, where there are no `settings`. Raises StateError for the URL."""
        self._url = mask_url(url)
        settings = settings or RedisSettings(shards=shards)
        self.shards_wanted = settings.shards
        self._target = _parse(url)
        self.keys = KeySpace(settings.prefix, self._target.database)
        self._address = url
        self._installation = settings.installation
        self._is_member = settings.installation is None
        self._timeouts = timeouts or RedisTimeouts()
        self._redis: Any = None
        self._opening = threading.RLock()  # reentrant: joining an installation runs commands

    def join_installation(self) -> InstallationRecord | None:
        """Join the installation, again where Redis was emptied, and return its record; None where there is none."""
        if self._installation is None:
            return None
        return self._installation.join(self._run, self.keys)

    def execute(self, *command: RedisArg) -> Any:
        """Run one command and return its answer, in bytes."""
        self._ensure_member()
        return self._run(*command)

    def pipeline(self, commands: Sequence[Sequence[RedisArg]]) -> list[Any]:
        """Run commands in one round trip, without a transaction, and return their answers."""
        if not commands:
            return []
        self._ensure_member()
        with self._translating_errors(*commands[0]), self._connected().pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return list(pipeline.execute())

    def eval_script(self, script: Script, keys: Sequence[str], arguments: Sequence[RedisArg]) -> Any:
        """Run a Lua script on keys of one hash tag, and return its answer."""
        self._ensure_member()
        with self._translating_errors("a script on", *keys):
            redis = self._connected()
            try:
                return redis.evalsha(script.sha, len(keys), *keys, *arguments)
            except NoScriptError:
                # A server that was restarted, or a replica that became master, has not cached the script.
                return redis.eval(script.text, len(keys), *keys, *arguments)

    def scan_keys(self, key: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield the fields and values of a hash, in pieces, so that a large one does not block the server."""
        self._ensure_member()
        with self._translating_errors("HSCAN", key):
            yield from self._connected().hscan_iter(key, count=1000)

    def scan_members(self, key: str, pattern: str) -> Iterator[bytes]:
        """Yield the members of a sorted set that match a glob pattern, in no order and some perhaps twice."""
        self._ensure_member()
        with self._translating_errors("ZSCAN", key):
            for member, _ in self._connected().zscan_iter(key, match=pattern, count=1000):
                yield member

    def subscribe(self, *channels: str) -> "Subscription":
        """Subscribe to channels."""
        self._ensure_member()
        with self._translating_errors("SUBSCRIBE", *channels):
            pubsub = self._connected().pubsub(ignore_subscribe_messages=True)
            pubsub.subscribe(*channels)
            return Subscription(pubsub, self._url)

    def close_connections(self) -> None:
        """Close all connections; the next command opens one."""
        if self._redis is not None:
            self._redis.close()
            self._redis = None

    def _run(self, *command: RedisArg) -> Any:
        with self._translating_errors(*command):
            return self._connected().execute_command(*command)

    def _ensure_member(self) -> None:
        """Join the installation before anything else is read or written."""
        if self._is_member:
            if self._installation is not None:
                self._installation.raise_refusal()
            return
        with self._opening:
            self.join_installation()
            self._is_member = True

    def _connected(self) -> Any:
        if self._redis is None:
            with self._opening:
                if self._redis is None:
                    self._redis = open_connection(self._address, self._target, self._timeouts)
        return self._redis

    @contextmanager
    def _translating_errors(self, *command: RedisArg) -> Iterator[None]:
        with translate_errors(self._url, *command):
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
def translate_errors(url: str, *command: RedisArg) -> Iterator[None]:
    """Raise StateError for what redis-py raises inside. command: what was run, for the message."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise StateError(f"{url}: {describe_error(error, command)}") from error


@contextmanager
def translate_content(what: str) -> Iterator[None]:
    """Raise StateError where what Redis holds is not what this program writes: another program's, or damaged."""
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{what} in Redis cannot be read: {type(error).__name__}: {error}") from error


def open_client(config: Config, installation: Installation | None = None) -> RedisClient:
    """Return a client of a configuration's state; it joins the installation. Raises StateError.

    installation: of this process, where several connections share it; None makes one.
    """
    state = config.state
    joined = installation or own_installation(config)
    return RedisClient(state.url, settings=RedisSettings(state.prefix or DEFAULT_PREFIX, state.shards, joined))


def refuse_other_installation(config: Config) -> None:
    """Raise OtherInstallation where the state is another's; no other error: a gateway starts without Redis too."""
    client = open_client(config)
    try:
        client.join_installation()
    except OtherInstallation:
        raise
    except StateError:
        return  # the client's thread logs it
    finally:
        client.close_connections()


def own_installation(config: Config) -> Installation:
    """Return the installation of this process, for its connections to share."""
    memory = memory_file(Path(config.state.cache_dir).expanduser(), [config.state.url])
    return Installation(describe_membership(config, memory))


def _parse(url: str) -> RedisUrl:
    try:
        return parse_redis_url(url)
    except ValueError as error:
        raise StateError(f"state.url: {error}") from None
