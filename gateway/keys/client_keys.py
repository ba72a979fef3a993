"""Clients' keys: those of the configuration, and those created while the gateway runs.

Created keys are in the state store and survive restarts and reloads. A name belongs to one key only, because usage is
recorded by name.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """A client's key and its origin. created_at: Unix time in seconds, None for a key of the configuration."""

    key: KeyConfig
    source: Literal["config", "api"]
    created_at: float | None = None


class ClientKeys:
    """The current client keys; every change is applied to `authenticator` and `quotas`."""

    def __init__(
        self, config: Config, authenticator: Authenticator, quotas: Quotas, clock: Callable[[], float]
    ) -> None:
        """clock: Unix time in seconds."""
        self.changing = asyncio.Lock()
        """Held while keys are created or revoked, and while a configuration or policy is applied."""
        self._config = config
        self._authenticator = authenticator
        self._quotas = quotas
        self._clock = clock
        self._store: Store | None = None
        self._created: Mapping[str, ClientKey] = {}

    def load_keys(self, store: Store) -> None:
        """Apply the stored keys. Raises StateError, ConfigError for a name that the configuration has too."""
        self._store = store
        self.replace_created(read_created_keys(store))

    def attach_store(self, store: Store) -> None:
        """Store new keys there. Keys that other gateways created arrive through `replace_created`."""
        self._store = store

    def replace_created(self, created: Mapping[str, ClientKey]) -> None:
        """Replace all created keys. Raises ConfigError for a name that the configuration has too."""
        check_names(self._config, created)
        self._created = created
        self._apply()

    def validate_config(self, config: Config) -> None:
        """Raise ConfigError for a configuration with the name of a created key."""
        check_names(config, self._created)

    def set_config(self, config: Config) -> None:
        """Replace the configuration's keys; created ones remain."""
        self._config = config
        self._apply()

    def list_keys(self) -> Sequence[ClientKey]:
        """Return every client's key: the configuration's, then the created ones, oldest first."""
        return [*(ClientKey(key, "config") for key in self._config.keys), *self._created.values()]

    async def create_key(self, terms: KeyTerms, by: str | None) -> tuple[ClientKey, str]:
        """Create a key that is valid at once. Return it and its secret, which is not stored. by: name of the admin.

        Raises Conflict for a name that is taken, InvalidRequest for an unknown model or task, StateError.
        """
        async with self.changing:
            self._check(terms)
            secret = KEY_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
            digest = hashlib.sha256(secret.encode()).hexdigest()
            stored = StoredKey(terms.name, digest, self._clock(), terms.model_dump_json(exclude_none=True))
            if not await asyncio.to_thread(self._opened().add_key, stored):
                raise _name_taken(terms.name, "another gateway on the same state has created it")
            created = _to_client_key(stored)
            self._created = {**self._created, terms.name: created}
            self._apply()
        log.info("key %s created by %s", terms.name, by)
        return created, secret

    async def revoke_key(self, name: str, by: str | None) -> None:
        """Revoke a key: requests with it are rejected at once. by: name of the admin.

        Raises NotFound, Conflict for a key of the configuration, StateError.
        """
        async with self.changing:
            if any(key.name == name for key in self._config.keys):
                raise Conflict(f"Key {name!r} is defined in the configuration: remove it there, and reload.")
            if name not in self._created:
                raise NotFound(f"Unknown key: {name!r}.")
            await asyncio.to_thread(self._opened().remove_key, name)
            self._created = {other: key for other, key in self._created.items() if other != name}
            self._apply()
        log.info("key %s revoked by %s", name, by)

    def _apply(self) -> None:
        clients = [client_key.key for client_key in self.list_keys()]
        self._authenticator.configure(clients, self._config.admin.keys)
        self._quotas.configure(clients)

    def _check(self, terms: KeyTerms) -> None:
        if terms.name in self._created:
            raise _name_taken(terms.name, "revoke it first")
        if terms.name in _config_names(self._config):
            raise _name_taken(terms.name, "it is defined in the configuration")
        known = {model.name for model in self._config.models}
        for model in terms.models or ():
            if model not in known:
                raise InvalidRequest(f"models: {model!r} is not a configured model.", param="models")
        if terms.tasks and terms.default_task and terms.default_task not in terms.tasks:
            raise InvalidRequest(
                f"default_task: {terms.default_task!r} is not among the key's tasks.", param="default_task"
            )

    def _opened(self) -> Store:
        assert self._store is not None  # noqa: S101 - keys change while serving only
        return self._store


def read_created_keys(store: Store) -> Mapping[str, ClientKey]:
    """Return the stored keys, oldest first. Raises StateError for a key that this version cannot read."""
    return to_client_keys(store.created_keys())


def to_client_keys(stored: Iterable[StoredKey]) -> Mapping[str, ClientKey]:
    """Return stored keys by name. Raises StateError for a key that this version cannot read."""
    return {key.name: _to_client_key(key) for key in stored}


def check_names(config: Config, created: Mapping[str, object]) -> None:
    """Raise ConfigError for a configuration with the name of a created key."""
    faults = [
        (path, f"a key named {name!r} was created over HTTP: revoke it first, or choose another name")
        for name, path in _config_names(config).items()
        if name in created
    ]
    if faults:
        raise ConfigError("keys", faults)


def _config_names(config: Config) -> Mapping[str, str]:
    """Return the names of the configuration's keys, each with its path."""
    clients = {key.name: f"keys[{place}].name" for place, key in enumerate(config.keys)}
    return clients | {key.name: f"admin.keys[{place}].name" for place, key in enumerate(config.admin.keys)}


def _name_taken(name: str, reason: str) -> Conflict:
    return Conflict(f"A key named {name!r} exists already: {reason}.", param="name", code="key_exists")


def _to_client_key(stored: StoredKey) -> ClientKey:
    try:
        terms = KeyTerms.model_validate_json(stored.settings_json)
        settings = KeyConfig(**dict(terms), sha256=stored.sha256)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise StateError(f"the stored key {stored.name!r} cannot be read: {place}: {fault['msg']}") from error
    return ClientKey(settings, "api", stored.created_at)
