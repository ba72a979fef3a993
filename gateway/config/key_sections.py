"""Sections about API keys: secrets as hashes, permissions, limits, expiry."""

from typing import Annotated, Self

from pydantic import Field, field_serializer, model_validator

from gateway.config.exclusions import END_WITHOUT_HASH
from gateway.config.fields import ConfigSection, Name, PointInTime, TaskId, Usd
from gateway.config.schema_paths import Expected
from gateway.config.secrets import MASK

Sha256 = Annotated[
    str, Field(pattern=r"^[0-9a-fA-F]{64}$"), Expected("64 hex digits, as `benchroute keys hash` prints them")
]


class NamedKey(ConfigSection):
    """A key's name."""

    name: Name
    """Unique name, used in logs and for usage tracking."""


class HashedKey(NamedKey):
    """The secrets of a key, as hashes: one, or two while clients change to a new one."""

    sha256: Sha256 = Field(repr=False)
    """SHA-256 of the secret, 64 hex digits, as `benchroute keys hash` prints it. Masked wherever it is printed."""
    previous_sha256: Sha256 | None = Field(default=None, repr=False)
    """SHA-256 of the key's former secret, which stays valid while clients change to the new one. Masked wherever it is
    printed."""
    previous_expires_at: PointInTime | None = None
    """Time from which the former secret is rejected. Default: it is valid as long as the key."""

    @model_validator(mode="after")
    def _has_two_secrets(self) -> Self:
        if self.previous_expires_at is not None and self.previous_sha256 is None:
            raise ValueError(END_WITHOUT_HASH)
        return self

    @field_serializer("sha256", "previous_sha256")
    def _mask(self, digest: str | None) -> str | None:
        return None if digest is None else MASK


class KeyLimits(ConfigSection):
    """Permissions, expiry, rate limits and budgets of a client key. Limits that are not set do not apply."""

    default_task: TaskId | None = None
    """Task of requests that name none. Default: `default`."""
    models: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Models that the key may use. Default: all."""
    tasks: tuple[TaskId, ...] | None = Field(default=None, min_length=1)
    """Tasks that the key may use and see. Default: all."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Rate limit, requests per minute."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Rate limit, input and output tokens per minute."""
    max_concurrent_requests: int | None = Field(default=None, ge=1)
    """Maximum number of requests in flight. Several gateways share it equally, at least one each."""
    budget_usd_per_day: Usd | None = None
    """Budget per day (UTC), US dollars."""
    budget_usd_per_month: Usd | None = None
    """Budget per month (UTC), US dollars."""
    expires_at: PointInTime | None = None
    """Time from which the key is rejected with 401, for instance `2027-01-31T00:00:00Z`; a date is its beginning, UTC.
    Default: it does not expire."""


class KeyTerms(KeyLimits, NamedKey):
    """A client key without its secrets."""


class KeyConfig(HashedKey, KeyTerms):
    """API keys of clients."""


class AdminKeyConfig(HashedKey):
    """API keys for the management API. They cannot send requests to models."""

    read_only: bool = False
    """Allow reading only: no change of keys, policies, packs or configuration."""
    expires_at: PointInTime | None = None
    """Time from which the key is rejected with 401. Default: it does not expire."""


class AdminConfig(ConfigSection):
    """Access to the management API. Without an admin key, keys and configuration cannot be managed over HTTP."""

    keys: tuple[AdminKeyConfig, ...] = ()
    """Admin keys."""
