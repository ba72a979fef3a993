"""A client's key as the gateway uses it, read from the configuration or from the state."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from gateway.config import KeyConfig, KeyTerms
from gateway.config.field_faults import find_faults
from gateway.errors import StateError
from gateway.state.store import StoredKey, StoredSecret


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A client's key and its origin.

    Attributes:
        secrets: one or two, the current one last.
        created_at: Unix time in seconds, None for a key of the configuration.
        stored: as the state has it, None for a key of the configuration.
    """

    key: KeyConfig
    source: Literal["config", "api"]
    secrets: tuple[StoredSecret, ...]
    created_at: float | None = None
    stored: StoredKey | None = None
    place: str = field(init=False, repr=False, compare=False)
    """What keys are listed by."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", f"{self.created_at or 0.0:020.6f} {self.key.name}")


def from_config(key: KeyConfig) -> ClientKey:
    """Return a key of the configuration. Its former secret is number 1, its current one 2."""
    hashes = [(key.sha256, None)]
    if key.previous_sha256 is not None:
        until = key.previous_expires_at
        hashes.insert(0, (key.previous_sha256, None if until is None else until.timestamp()))  # type: ignore[arg-type]
    secrets = (StoredSecret(n, sha256.lower(), expires_at=at) for n, (sha256, at) in enumerate(hashes, 1))
    return ClientKey(key, "config", tuple(secrets))


def to_client_key(stored: StoredKey) -> ClientKey:
    """Return a stored key. Raises StateError for one that this version cannot read."""
    *former, current = stored.all_secrets
    settings: dict[str, Any] = dict(read_terms(stored))
    if former:
        settings |= {"previous_sha256": former[-1].sha256, "previous_expires_at": to_datetime(former[-1].expires_at)}
    if current.expires_at is not None:  # a former secret that became the only one, when the new one was revoked
        until = datetime.fromtimestamp(current.expires_at, UTC)
        settings["expires_at"] = min(until, settings["expires_at"] or until)
    try:
        key = KeyConfig(**settings, sha256=current.sha256)
    except ValidationError as error:
        raise _unreadable(stored, error) from error
    return ClientKey(key, "api", stored.all_secrets, stored.created_at, stored)


def read_terms(stored: StoredKey) -> KeyTerms:
    """Return a stored key's terms. Raises StateError for a key that this version cannot read."""
    try:
        return KeyTerms.model_validate_json(stored.settings_json)
    except ValidationError as error:
        raise _unreadable(stored, error) from error


def to_datetime(at: float | None) -> datetime | None:
    """Return a Unix time in seconds as a time in UTC."""
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _unreadable(stored: StoredKey, error: ValidationError) -> StateError:
    place, reason = find_faults(KeyConfig, error, set())[0]
    return StateError(f"the stored key {stored.name!r} cannot be read: {place}: {reason}")
