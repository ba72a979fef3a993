"""Keys: who a request is from. Only SHA-256 digests are kept.

Clients' keys ask for answers; admin keys manage the gateway. Neither opens what is the other's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.config import AdminKeyConfig, KeyConfig
from gateway.errors import Forbidden, Unauthenticated
from gateway.http.headers import Headers
from gateway.http.request_head import key_digest

SHOWN_TASKS = 3
ADMIN_OFF = (
    "managing the gateway over HTTP is off: configure a key at admin.keys (`benchroute keys hash` makes its sha256)"
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request is from. models, tasks: those it may use, None for all.

    is_admin: it manages the gateway; is_read_only: by looking alone.
    """

    name: str | None = None
    default_task: str | None = None
    models: frozenset[str] | None = None
    tasks: frozenset[str] | None = None
    is_admin: bool = False
    is_read_only: bool = False

    def can_use_task(self, model: str) -> bool:
        """Whether this model is allowed."""
        return self.models is None or model in self.models

    def check_task(self, task: str) -> None:
        """Raises Forbidden for a task that is not allowed."""
        if self.tasks is not None and task not in self.tasks:
            some = ", ".join(sorted(self.tasks)[:SHOWN_TASKS])
            message = f"the key {self.name!r} may not use task {task!r}, but for instance {some}"
            raise Forbidden(message, code="task_not_allowed")


ANONYMOUS = Principal()


class Authenticator:
    """The keys in force. With neither clients' nor admin keys, whoever reaches the gateway may use it.

    As soon as there is an admin key, clients need one of their own: revoking the last of them closes the gateway, and
    does not open it.
    """

    def __init__(self, clients: Sequence[KeyConfig] = (), admins: Sequence[AdminKeyConfig] = ()) -> None:
        self._clients: Mapping[bytes | None, Principal] = {}
        self._admins: Mapping[bytes, Principal] = {}
        self.configure(clients, admins)

    def configure(self, clients: Sequence[KeyConfig], admins: Sequence[AdminKeyConfig]) -> None:
        """From now on these keys, and no others."""
        # Looked up by digest: finding a key takes no longer the more of it a guess has right.
        self._clients = {bytes.fromhex(key.sha256): _client(key) for key in clients}
        self._admins = {
            bytes.fromhex(key.sha256): Principal(key.name, is_admin=True, is_read_only=key.read_only) for key in admins
        }

    @property
    def is_open(self) -> bool:
        """Whether whoever reaches the gateway may use it."""
        return not self._clients and not self._admins

    @property
    def has_admin(self) -> bool:
        """Whether anybody may manage the gateway over HTTP."""
        return bool(self._admins)

    def authenticate(self, digest: bytes | None) -> Principal:
        """The client whose key has that SHA-256. Raises Unauthenticated, Forbidden for an admin key."""
        found = self._clients.get(digest)
        if found is not None:
            return found
        if self.is_open:
            return ANONYMOUS
        if digest is None:
            raise _no_key()
        if digest in self._admins:
            raise Forbidden("this key manages the gateway: requests are sent with a client's key")
        raise Unauthenticated("the API key is not known")

    def authenticate_any(self, headers: Headers) -> Principal:
        """The client or admin that the Authorization header names. Raises Unauthenticated."""
        if self.is_open:
            return ANONYMOUS
        digest = key_digest(headers)
        if digest is None:
            raise _no_key()
        found = self._clients.get(digest) or self._admins.get(digest)
        if found is None:
            raise Unauthenticated("the API key is not known")
        return found

    def authenticate_admin(self, headers: Headers, changes: bool = False) -> Principal:
        """The admin that the Authorization header names. changes: whether it is about to change something.

        Raises Unauthenticated; Forbidden for a client's key, a read-only one that would change something, and where no
        admin key is configured.
        """
        if not self._admins:
            raise Forbidden(ADMIN_OFF, code="admin_off")
        found = self.authenticate_any(headers)
        if not found.is_admin:
            raise Forbidden("this takes an admin key")
        if changes and found.is_read_only:
            raise Forbidden(f"the admin key {found.name!r} is read-only")
        return found


def filter_allowed(principal: Principal, ranking: Sequence[str], task: str) -> tuple[str, ...]:
    """The models of a ranking that the key may use. Raises Forbidden where that leaves none."""
    left = tuple(model for model in ranking if principal.can_use_task(model))
    if not left:
        raise Forbidden(f"the key {principal.name!r} may use none of the candidates of task {task!r}")
    return left


def _client(key: KeyConfig) -> Principal:
    models = frozenset(key.models) if key.models else None
    return Principal(key.name, key.default_task, models, frozenset(key.tasks) if key.tasks else None)


def _no_key() -> Unauthenticated:
    return Unauthenticated("no API key: send it as Authorization: Bearer <key>", code="missing_api_key")
