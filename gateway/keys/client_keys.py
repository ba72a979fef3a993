"""Clients' keys: those of the configuration, and those created while the gateway runs.

Created keys are in the state store and survive restarts and reloads. A name belongs to one key only, because usage is
recorded by name.
"""

import asyncio
import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from msgspec.structs import replace

from gateway.config import Config, KeyLimits, KeyTerms
from gateway.errors import ConfigError, Conflict, InvalidRequest, NotFound, StateError
from gateway.keys.auth import Authenticator, Principals, index_keys
from gateway.keys.key_records import ClientKey, from_config, read_terms, to_client_key
from gateway.keys.key_set import KeySet
from gateway.keys.quotas import QuotaPlan, Quotas
from gateway.keys.secret_uses import SecretUses
from gateway.loop_share import LoopShare
from gateway.offload import offload
from gateway.state.store import Store, StoredKey, StoredSecret

log = logging.getLogger("benchroute")

KEY_PREFIX = "br-"
SECRET_BYTES = 32


NO_KEYS: Mapping[str, ClientKey] = MappingProxyType({})

MAX_SECRETS = 2
"""Secrets of a key at the same time."""

_RESERVED = re.compile(r"/(rotate|secrets/[0-9]+)$")
"""Endings of names that would be taken for an endpoint."""


@dataclass(frozen=True, slots=True)
class PreparedKeys:
    """All keys of a configuration together with the created ones, ready to be used.

    Attributes:
        gone: SHA-256 of the secrets that no key has any more.
    """

    config: Config
    keys: KeySet
    principals: Principals
    quotas: QuotaPlan
    gone: Collection[str]


class ClientKeys:
    """The current client keys; every change is applied to `authenticator` and `quotas`."""

    def __init__(
        self,
        config: Config,
        authenticator: Authenticator,
        quotas: Quotas,
        clock: Callable[[], float],
        uses: SecretUses | None = None,
    ) -> None:
        """clock: Unix time in seconds. uses: of the secrets; None for a record of its own."""
        self.changing = asyncio.Lock()
        """Held while keys are created or revoked, and while a configuration or policy is applied."""
        self._config = config
        self._authenticator = authenticator
        self._quotas = quotas
        self._clock = clock
        self._uses = uses or SecretUses(clock)
        self._store: Store | None = None
        self._created: dict[str, ClientKey] = {}
        self._keys = KeySet(map(from_config, config.keys))

    def load_keys(self, store: Store) -> None:
        """Apply the stored keys. Raises StateError, ConfigError for a name that the configuration has too."""
        self._store = store
        self._created = dict(read_created_keys(store))
        self.use_keys(self.prepare_config(self._config))

    def attach_store(self, store: Store) -> None:
        """Store new keys there. Keys that other gateways created arrive through `replace_created`."""
        self._store = store

    @property
    def created_keys(self) -> Mapping[str, ClientKey]:
        """The created keys by name. It changes as they do; threads may look single keys up."""
        return self._created

    async def replace_created(self, created: Mapping[str, ClientKey]) -> None:
        """Replace all created keys, while requests go on. Raises ConfigError for a name that the configuration has too.

        One that is the same object as before stays as it is, with all that belongs to it: to make, and to free, all of
        10,000 would take the event loop 20 ms.
        """
        async with self.changing:
            share = LoopShare()
            for name, key in await offload(self._find_changes, created):
                self._change(name, key)
                await share.give_way()

    def prepare_config(self, config: Config) -> PreparedKeys:
        """Return a configuration's keys with the created ones, for `use_keys`. For a thread; hold `changing` meanwhile.

        Raises ConfigError for the name of a created key.
        """
        return self._prepare(config, self._created)

    def use_keys(self, prepared: PreparedKeys) -> None:
        """Use these keys from now on."""
        self._config, self._keys = prepared.config, prepared.keys
        self._authenticator.replace_all(prepared.principals)
        self._quotas.replace_all(prepared.quotas)
        self._uses.forget(prepared.gone)

    def keys_after(self, place: str) -> Iterator[ClientKey]:
        """Yield the keys behind a `ClientKey.place`."""
        return self._keys.keys_after(place)

    @property
    def default_tasks(self) -> Collection[str]:
        """The tasks of requests that name none, of all keys."""
        return self._keys.default_tasks

    def is_expired(self, key: ClientKey) -> bool:
        """Return True for a key that is rejected because its time is over."""
        return key.key.expires_at is not None and key.key.expires_at.timestamp() <= self._clock()

    async def last_uses(self, keys: Iterable[ClientKey]) -> Mapping[str, float]:
        """Return when the secrets of keys were last used, of those that ever were: Unix time by SHA-256.

        While the state cannot be read, as this gateway has seen it.
        """
        wanted = [secret.sha256 for key in keys for secret in key.secrets]
        try:
            stored = await asyncio.to_thread(self._opened().secret_uses, wanted)
        except StateError as error:
            log.warning("the last use of keys cannot be read: %s", error)
            stored = {}
        return self._uses.merge_stored(wanted, stored)

    async def create_key(self, terms: KeyTerms, by: str | None) -> tuple[ClientKey, str]:
        """Create a key that is valid at once. Return it and its secret, which is not stored. by: name of the admin.

        Raises Conflict for a name that is taken, InvalidRequest for an unknown model or task, StateError.
        """
        async with self.changing:
            self._check_name(terms.name)
            self._check_terms(terms)
            self._check_time("expires_at", terms.expires_at)
            secret, digest = _new_secret()
            stored = StoredKey(terms.name, digest, self._clock(), _to_settings(terms))
            if not await asyncio.to_thread(self._opened().add_key, stored):
                raise _name_taken(terms.name, "another gateway on the same state has created it")
            created = to_client_key(stored)
            self._change(terms.name, created)
        log.info("key %s created by %s", terms.name, by)
        return created, secret

    async def update_key(self, name: str, changes: KeyLimits, by: str | None) -> ClientKey:
        """Change permissions, limits or expiry of a created key; what `changes` does not set stays as it is.

        Raises NotFound, Conflict for a key of the configuration or one changed meanwhile, InvalidRequest, StateError.
        """
        async with self.changing:
            stored = self._stored_key(name)
            changed = {field: getattr(changes, field) for field in changes.model_fields_set}
            terms = KeyTerms(**{**dict(read_terms(stored)), **changed})
            self._check_terms(terms)
            updated = await self._replace(replace(stored, settings_json=_to_settings(terms)))
        log.info("key %s changed by %s: %s", name, by, ", ".join(sorted(changed)))
        return updated

    async def rotate_key(self, name: str, old_expires_at: datetime | None, by: str | None) -> tuple[ClientKey, str]:
        """Give a created key a new secret, which is returned and not stored. by: name of the admin.

        old_expires_at: time from which the former secret is rejected; None until it is revoked.
        Raises NotFound, Conflict for a key of the configuration, or with two valid secrets, InvalidRequest, StateError.
        """
        async with self.changing:
            stored, now = self._stored_key(name), self._clock()
            self._check_time("old_expires_at", old_expires_at)
            valid = [one for one in stored.all_secrets if one.expires_at is None or one.expires_at > now]
            *_, old = stored.all_secrets
            if len(valid) >= MAX_SECRETS:
                raise Conflict(
                    f"Key {name!r} has {MAX_SECRETS} valid secrets: revoke secret {valid[0].number} before the next "
                    "rotation.",
                    code="too_many_secrets",
                )
            if old_expires_at is not None:
                old = replace(old, expires_at=_sooner(old.expires_at, old_expires_at.timestamp()))
            secret, digest = _new_secret()
            new = StoredSecret(old.number + 1, digest, now)
            rotated = await self._replace(replace(stored, sha256=digest, secrets=(old, new)))
        log.info("key %s rotated by %s", name, by)
        return rotated, secret

    async def revoke_secret(self, name: str, number: int, by: str | None) -> ClientKey:
        """Revoke one of a created key's two secrets: requests with it are rejected at once. by: name of the admin.

        Raises NotFound, Conflict for a key of the configuration or its only secret, StateError.
        """
        async with self.changing:
            stored = self._stored_key(name)
            left = tuple(one for one in stored.all_secrets if one.number != number)
            if len(left) == len(stored.all_secrets):
                raise NotFound(f"Key {name!r} has no secret {number}.")
            if not left:
                raise Conflict(f"Secret {number} is the only one of key {name!r}: rotate it first, or revoke the key.")
            changed = await self._replace(replace(stored, sha256=left[-1].sha256, secrets=left))
        log.info("secret %d of key %s revoked by %s", number, name, by)
        return changed

    async def revoke_key(self, name: str, by: str | None) -> None:
        """Revoke a key: requests with it are rejected at once. by: name of the admin.

        Raises NotFound, Conflict for a key of the configuration, StateError.
        """
        async with self.changing:
            self._stored_key(name)
            await asyncio.to_thread(self._opened().remove_key, name)
            self._change(name, None)
        log.info("key %s revoked by %s", name, by)

    def _stored_key(self, name: str) -> StoredKey:
        """Return a created key. Raises NotFound, Conflict for a key of the configuration."""
        found = self._keys.find(name)
        if found is None:
            raise NotFound(f"Unknown key: {name!r}.")
        if found.stored is None:
            raise Conflict(f"Key {name!r} is defined in the configuration: change it there, and reload.")
        return found.stored

    async def _replace(self, key: StoredKey) -> ClientKey:
        """Store a changed key as its next version. Raises Conflict if it was changed meanwhile, StateError."""
        key = replace(key, version=key.version + 1)
        changed = to_client_key(key)
        if not await asyncio.to_thread(self._opened().replace_key, key):
            raise Conflict(f"Key {key.name!r} was changed meanwhile by another gateway: read it again.")
        self._change(key.name, changed)
        return changed

    def _change(self, name: str, key: ClientKey | None) -> None:
        """Use another key of this name from now on, or none."""
        if key is None:
            before = self._keys.remove(name)
            self._created.pop(name, None)
        else:
            before = self._keys.put(key)
            self._created[name] = key
        after = None if key is None else key.key
        self._authenticator.replace_client(None if before is None else before.key, after)
        self._quotas.replace_key(name, after)
        kept = () if key is None else [one.sha256 for one in key.secrets]
        self._uses.forget(one.sha256 for one in (before.secrets if before else ()) if one.sha256 not in kept)

    def _find_changes(self, created: Mapping[str, ClientKey]) -> Sequence[tuple[str, ClientKey | None]]:
        """Return what makes these keys of the present ones; None for a key that is gone. Raises ConfigError."""
        check_names(self._config, created)
        before = self._created
        gone = [(name, None) for name in before if name not in created]
        return [*gone, *((name, key) for name, key in created.items() if before.get(name) is not key)]

    def _prepare(self, config: Config, created: Mapping[str, ClientKey]) -> PreparedKeys:
        check_names(config, created)
        keys = KeySet([*map(from_config, config.keys), *created.values()])
        clients = [one.key for one in keys.keys_after()]
        principals = index_keys(clients, config.admin.keys, self._authenticator.clients)
        gone = self._keys.secrets() - keys.secrets()
        return PreparedKeys(config, keys, principals, self._quotas.plan_keys(clients), gone)

    def _check_name(self, name: str) -> None:
        if name in self._created:
            raise _name_taken(name, "revoke it first")
        if name in _config_names(self._config):
            raise _name_taken(name, "it is defined in the configuration")
        if _RESERVED.search(name):
            raise InvalidRequest("name: must not end with /rotate or /secrets/NUMBER.", param="name")

    def _check_terms(self, terms: KeyTerms) -> None:
        known = {model.name for model in self._config.models}
        for model in terms.models or ():
            if model not in known:
                raise InvalidRequest(f"models: {model!r} is not a configured model.", param="models")
        if terms.tasks and terms.default_task and terms.default_task not in terms.tasks:
            raise InvalidRequest(
                f"default_task: {terms.default_task!r} is not among the key's tasks.", param="default_task"
            )

    def _check_time(self, setting: str, at: datetime | None) -> None:
        if at is not None and at.timestamp() <= self._clock():
            raise InvalidRequest(f"{setting}: {at:%Y-%m-%dT%H:%M:%SZ} has passed; name a later time.", param=setting)

    def _opened(self) -> Store:
        assert self._store is not None  # noqa: S101 - keys change while serving only
        return self._store


def read_created_keys(store: Store) -> Mapping[str, ClientKey]:
    """Return the stored keys, oldest first. Raises StateError for a key that this version cannot read."""
    return to_client_keys(store.created_keys())


def to_client_keys(stored: Iterable[StoredKey], known: Mapping[str, ClientKey] = NO_KEYS) -> Mapping[str, ClientKey]:
    """Return stored keys by name. known: those of before, of which the unchanged ones are taken: 10,000 take 110 ms.

    Raises StateError for a key that this version cannot read.
    """
    return {
        key.name: one if (one := known.get(key.name)) is not None and one.stored == key else to_client_key(key)
        for key in stored
    }


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


def _new_secret() -> tuple[str, str]:
    """Return a secret and its SHA-256."""
    secret = KEY_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    return secret, hashlib.sha256(secret.encode()).hexdigest()


def _to_settings(terms: KeyTerms) -> str:
    return terms.model_dump_json(exclude_none=True)


def _sooner(first: float | None, second: float) -> float:
    return second if first is None else min(first, second)
