"""Authentication by API key. Only SHA-256 digests of keys are stored.

Clients' keys send requests; admin keys manage the gateway. Neither can do what the other is for.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from gateway.config import AdminKeyConfig, KeyConfig
from gateway.errors import Forbidden, Unauthenticated
from gateway.http.headers import Headers, key_digest

SHOWN_TASKS = 3
ADMIN_OFF = "The management API is disabled: add a key to admin.keys (`benchroute keys hash` prints its sha256)."


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request, by its key.

    Attributes:
        name: of the key, None without authentication.
        default_task: task of requests that name none.
        models: allowed models, None for all.
        tasks: allowed tasks, None for all.
        is_admin: true for an admin key.
        is_read_only: true for an admin key that may change nothing.
        expires_at: Unix time in seconds from which this secret is rejected, None for never.
        secret: SHA-256 of the secret, in lower-case hexadecimal; None without authentication.
        is_former: true for the secret that a rotation replaced.
    """

    name: str | None = None
    default_task: str | None = None
    models: frozenset[str] | None = None
    tasks: frozenset[str] | None = None
    is_admin: bool = False
    is_read_only: bool = False
    expires_at: float | None = None
    secret: str | None = None
    is_former: bool = False

    def can_use_model(self, model: str) -> bool:
        """Return True if the key may use this model."""
        return self.models is None or model in self.models

    def can_use_task(self, task: str) -> bool:
        """Return True if the key may use this task."""
        return self.tasks is None or task in self.tasks

    def check_task(self, task: str) -> None:
        """Raise Forbidden for a task that the key may not use, whether it exists or not."""
        if self.tasks is not None and task not in self.tasks:
            allowed = ", ".join(sorted(self.tasks)[:SHOWN_TASKS])
            message = f"Key {self.name!r} is not allowed to use task {task!r}. Allowed tasks include: {allowed}."
            raise Forbidden(message, code="task_not_allowed")


ANONYMOUS = Principal()
NO_PRINCIPALS: Mapping[bytes | None, Principal] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Principals:
    """Who has which key, by the SHA-256 of each secret."""

    clients: dict[bytes | None, Principal]
    admins: Mapping[bytes, Principal]


class Authenticator:
    """Authentication against the current keys. Without any key, clients need none.

    As soon as there is an admin key, clients need one of their own: so revoking the last client's key closes the
    gateway, and does not open it.
    """

    def __init__(
        self,
        clients: Sequence[KeyConfig] = (),
        admins: Sequence[AdminKeyConfig] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """clock: Unix time in seconds."""
        self._clock = clock
        self._clients: dict[bytes | None, Principal] = {}
        self._admins: Mapping[bytes, Principal] = {}
        self.replace_all(index_keys(clients, admins))

    def replace_all(self, principals: Principals) -> None:
        """Replace all keys."""
        # Looked up by digest, which has no timing to learn from: a nearly correct guess has an unrelated digest.
        self._clients, self._admins = principals.clients, principals.admins

    def replace_client(self, before: KeyConfig | None, after: KeyConfig | None) -> None:
        """Replace a client's key; None where there was none, or is none any more."""
        if before is not None:
            for digest, _ in _by_secret(before, _client(before)):
                self._clients.pop(digest, None)
        if after is not None:
            self._clients.update(_by_secret(after, _client(after)))

    @property
    def clients(self) -> Mapping[bytes | None, Principal]:
        """Clients' principals by the SHA-256 of each secret; threads may look single ones up."""
        return self._clients

    @property
    def is_open(self) -> bool:
        """True if clients need no key."""
        return not self._clients and not self._admins

    @property
    def has_admin(self) -> bool:
        """True if the management API is enabled."""
        return bool(self._admins)

    def authenticate(self, digest: bytes | None) -> Principal:
        """Return the client whose key has that SHA-256. Raises Unauthenticated, Forbidden for an admin key."""
        found = self._clients.get(digest)
        if found is not None:
            if found.expires_at is not None:
                self._check_expiry(found)
            return found
        if self.is_open:
            return ANONYMOUS
        if digest is None:
            raise _no_key()
        if digest in self._admins:
            raise Forbidden("This is an admin key: send requests with a client's key.")
        raise Unauthenticated("Unknown API key.")

    def authenticate_any(self, headers: Headers) -> Principal:
        """Return the client or admin whose key is in the headers. Raises Unauthenticated."""
        if self.is_open:
            return ANONYMOUS
        digest = key_digest(headers)
        if digest is None:
            raise _no_key()
        found = self._clients.get(digest) or self._admins.get(digest)
        if found is None:
            raise Unauthenticated("Unknown API key.")
        self._check_expiry(found)
        return found

    def authenticate_admin(self, headers: Headers, changes: bool = False) -> Principal:
        """Return the admin whose key is in the headers. changes: the request changes something.

        Raises Unauthenticated; Forbidden for a client's key, for a read-only key and a change, and without admin keys.
        """
        if not self._admins:
            raise Forbidden(ADMIN_OFF, code="admin_off")
        found = self.authenticate_any(headers)
        if not found.is_admin:
            raise Forbidden("This endpoint requires an admin key.")
        if changes and found.is_read_only:
            raise Forbidden(f"Admin key {found.name!r} is read-only.")
        return found

    def _check_expiry(self, found: Principal) -> None:
        if found.expires_at is None or self._clock() < found.expires_at:
            return
        at = datetime.fromtimestamp(found.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = f"API key {found.name!r} expired at {at}: ask its administrator for another one."
        if found.is_former:
            message = f"This secret of API key {found.name!r} expired at {at}: use the key's new secret."
        raise Unauthenticated(message, code="expired_api_key")


def index_keys(
    clients: Iterable[KeyConfig],
    admins: Iterable[AdminKeyConfig],
    known: Mapping[bytes | None, Principal] = NO_PRINCIPALS,
) -> Principals:
    """Return who has these keys: of 10,000, 50 ms of work for a thread.

    known: clients' principals of before, of which the unchanged ones are taken: to free them takes the event loop 2 ms.
    """
    found = (pair for key in clients for pair in _by_secret(key, _client(key)))
    return Principals(
        {digest: before if (before := known.get(digest)) == one else one for digest, one in found},
        {digest: one for key in admins for digest, one in _by_secret(key, _admin(key))},
    )


def filter_allowed(principal: Principal, ranking: Sequence[str], task: str) -> tuple[str, ...]:
    """Return the models of a ranking that the key may use. Raises Forbidden where there are none."""
    allowed = tuple(model for model in ranking if principal.can_use_model(model))
    if not allowed:
        raise Forbidden(f"Key {principal.name!r} is not allowed to use any candidate of task {task!r}.")
    return allowed


def _client(key: KeyConfig) -> Principal:
    models = frozenset(key.models) if key.models else None
    return Principal(key.name, key.default_task, models, frozenset(key.tasks) if key.tasks else None)


def _admin(key: AdminKeyConfig) -> Principal:
    return Principal(key.name, is_admin=True, is_read_only=key.read_only)


def _by_secret(key: KeyConfig | AdminKeyConfig, principal: Principal) -> Iterator[tuple[bytes, Principal]]:
    """Yield the principal for each of the key's secrets, by its SHA-256."""
    expires_at = None if key.expires_at is None else key.expires_at.timestamp()
    yield bytes.fromhex(key.sha256), replace(principal, expires_at=expires_at, secret=key.sha256.lower())
    if key.previous_sha256 is not None:
        ends = [one.timestamp() for one in (key.expires_at, key.previous_expires_at) if one is not None]
        is_sooner = bool(ends) and min(ends) != expires_at
        former = replace(principal, expires_at=min(ends, default=None), is_former=is_sooner)
        yield bytes.fromhex(key.previous_sha256), replace(former, secret=key.previous_sha256.lower())


def _no_key() -> Unauthenticated:
    return Unauthenticated("Missing API key: send it as `Authorization: Bearer <key>`.", code="missing_api_key")
