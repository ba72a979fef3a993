"""Clients' keys from both sides: those of the configuration, and those created while the gateway runs.

The latter lie in the state store and outlive restarts and other configurations. A name belongs to one key only: what is
spent is booked on names.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from gateway.config import Config, KeyConfig, KeyTerms
from gateway.errors import ConfigError, Conflict, InvalidRequest, NotFound, StateError
from gateway.keys.auth import Authenticator
from gateway.keys.quotas import Quotas
from gateway.state.store import Store, StoredKey

log = logging.getLogger("benchroute")

KEY_PREFIX = "br-"
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A client's key. created_at: Unix time in seconds, None for one of the configuration."""

    key: KeyConfig
    source: Literal["config", "api"]
    created_at: float | None = None


class ClientKeys:
    """Says which keys are in force, and keeps `keys` and `quotas` to it."""

    def __init__(self, config: Config, keys: Authenticator, quotas: Quotas, clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self.changing = asyncio.Lock()
        """Held while keys are created or revoked, and while a configuration is taken over."""
        self._config = config
        self._keys = keys
        self._quotas = quotas
        self._clock = clock
        self._store: Store | None = None
        self._created: Mapping[str, ClientKey] = {}

    def load_keys(self, store: Store) -> None:
        """Takes the stored keys into force. Raises StateError; ConfigError for a name that the configuration has."""
        self._store = store
        self.replace_created(read_created_keys(store))

    def attach_store(self, store: Store) -> None:
        """Keys are kept there, and told to `take` by who hears of them."""
        self._store = store

    def replace_created(self, created: Mapping[str, ClientKey]) -> None:
        """From now on these created keys. Raises ConfigError for a name that the configuration has."""
        check_names(self._config, created)
        self._created = created
        self._apply()

    def validate_config(self, config: Config) -> None:
        """Raises ConfigError for a configuration that names a key as one that was created."""
        check_names(config, self._created)

    def set_config(self, config: Config) -> None:
        """From now on this configuration's keys beside the created ones."""
        self._config = config
        self._apply()

    def list_keys(self) -> Sequence[ClientKey]:
        """Every client's key: the configuration's, then the created ones, oldest first."""
        return [*(ClientKey(key, "config") for key in self._config.keys), *self._created.values()]

    async def create_key(self, terms: KeyTerms, by: str | None) -> tuple[ClientKey, str]:
        """Makes a key that is in force at once. by: which admin. Returns it with its secret, which is kept nowhere.

        Raises Conflict for a name that is taken, InvalidRequest for what the configuration does not have, StateError.
        """
        async with self.changing:
            self._check(terms)
            secret = KEY_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
            digest = hashlib.sha256(secret.encode()).hexdigest()
            stored = StoredKey(terms.name, digest, self._clock(), terms.model_dump_json(exclude_none=True))
            if not await asyncio.to_thread(self._opened().add_key, stored):
                raise _taken(terms.name, "another gateway on the same state has created it")
            held = _held(stored)
            self._created = {**self._created, terms.name: held}
            self._apply()
        log.info("key %s is created by %s", terms.name, by)
        return held, secret

    async def revoke_key(self, name: str, by: str | None) -> None:
        """No request with this key is taken from now on. by: which admin.

        Raises NotFound, Conflict for a key of the configuration, StateError.
        """
        async with self.changing:
            if any(key.name == name for key in self._config.keys):
                raise Conflict(f"the key {name!r} stands in the configuration: remove it there, and reload")
            if name not in self._created:
                raise NotFound(f"there is no key {name!r}")
            await asyncio.to_thread(self._opened().remove_key, name)
            self._created = {other: held for other, held in self._created.items() if other != name}
            self._apply()
        log.info("key %s is revoked by %s", name, by)

    def _apply(self) -> None:
        clients = [held.key for held in self.list_keys()]
        self._keys.configure(clients, self._config.admin.keys)
        self._quotas.configure(clients)

    def _check(self, terms: KeyTerms) -> None:
        if terms.name in self._created:
            raise _taken(terms.name, "revoke it first")
        if terms.name in _names(self._config):
            raise _taken(terms.name, "it stands in the configuration")
        known = {model.name for model in self._config.models}
        for model in terms.models or ():
            if model not in known:
                raise InvalidRequest(f"models: {model!r} is no configured model", param="models")
        if terms.tasks and terms.default_task and terms.default_task not in terms.tasks:
            raise InvalidRequest(
                f"default_task: {terms.default_task!r} is none of the key's tasks", param="default_task"
            )

    def _opened(self) -> Store:
        assert self._store is not None  # noqa: S101 - keys change while serving only
        return self._store


def read_created_keys(store: Store) -> Mapping[str, ClientKey]:
    """The stored keys, oldest first. Raises StateError for one that this version cannot read."""
    return {stored.name: _held(stored) for stored in store.created_keys()}


def check_names(config: Config, created: Mapping[str, object]) -> None:
    """Raises ConfigError for a configuration that names a key as one of those that were created."""
    faults = [
        (path, f"{name!r} was created over HTTP: revoke that key first, or choose another name")
        for name, path in _names(config).items()
        if name in created
    ]
    if faults:
        raise ConfigError("keys", faults)


def _names(config: Config) -> Mapping[str, str]:
    """Where each name of a key stands in the configuration."""
    clients = {key.name: f"keys[{place}].name" for place, key in enumerate(config.keys)}
    return clients | {key.name: f"admin.keys[{place}].name" for place, key in enumerate(config.admin.keys)}


def _taken(name: str, why: str) -> Conflict:
    return Conflict(f"there is a key {name!r} already: {why}", param="name", code="key_exists")


def _held(stored: StoredKey) -> ClientKey:
    try:
        terms = KeyTerms.model_validate_json(stored.settings_json)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise StateError(f"the key {stored.name!r} in the state cannot be read: {place}: {fault['msg']}") from error
    return ClientKey(KeyConfig(**dict(terms), sha256=stored.sha256), "api", stored.created_at)
