"""Which installation a Redis belongs to: gateways and scorers of one join its state, and those of another are refused.

The first process writes a record: an identifier, the life of the data, and what marks the configuration. Others join if
`state.prefix` is set, which names the installation by itself; or if this machine has joined it before; or if the
configurations are of one family: they share an API key, or a model's name where one of them has no keys. So a fleet can
change its configuration step by step, and a new machine joins without knowing anything.
"""

import hashlib
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway.config import Config
from gateway.distributed.redis_keys import KeySpace
from gateway.errors import StateError

log = logging.getLogger("benchroute.distributed")

MAX_MARKS = 1000
MAX_NAMES = 5
MARK_DIGITS = 16
ATTEMPTS = 5

Execute = Callable[..., Any]
"""Runs a Redis command and returns its answer. Raises StateError."""


class OtherInstallation(StateError):
    """The state in this Redis is another installation's."""


class InstallationRecord(msgspec.Struct, frozen=True):
    """What Redis tells of its installation.

    Attributes:
        id: identifier, the same for as long as anything of the installation lives.
        life: identifier of the data; another one once Redis was emptied.
        models: names in the configuration of the process that joined last.
        keys: digests of that configuration's API keys, of clients and admins.
    """

    id: str
    life: str
    models: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Membership:
    """What a process knows of its installation.

    Attributes:
        is_named: `state.prefix` is set, and names the installation.
        memory: file in which this machine remembers the installation's identifier; None for none.
    """

    models: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    is_named: bool = True
    memory: Path | None = None

    def accepts(self, record: InstallationRecord) -> bool:
        """Return True if a record is of this process' installation."""
        if self.is_named or record.id == self.remembered_id():
            return True
        if self.keys and record.keys:
            return not set(self.keys).isdisjoint(record.keys)
        return not set(self.models).isdisjoint(record.models)

    def remembered_id(self) -> str:
        """Return the identifier of the installation that this machine joined last, empty for none."""
        try:
            return self.memory.read_text(encoding="utf-8").strip() if self.memory else ""
        except (OSError, UnicodeDecodeError):
            return ""

    def remember_id(self, identifier: str) -> None:
        """Write the identifier to disk, where that is possible."""
        if self.memory is None or self.remembered_id() == identifier:
            return
        try:
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            self.memory.write_text(identifier, encoding="utf-8")
        except OSError as error:
            log.warning("%s cannot be written: %s", self.memory, error.strerror or error)

    def new_record(self, identifier: str, life: str) -> InstallationRecord:
        """Return a record of this process' configuration."""
        return InstallationRecord(identifier, life, self.models[:MAX_MARKS], self.keys[:MAX_MARKS])


ANY_INSTALLATION = Membership()


class Installation:
    """One process as a member of an installation. Shared by its connections."""

    def __init__(self, membership: Membership = ANY_INSTALLATION) -> None:
        self._membership = membership
        self._id = ""
        self._refusal = ""

    def join(self, execute: Execute, keys: KeySpace) -> InstallationRecord:
        """Join the installation in Redis, or begin it in an empty one, and return its record.

        Raises OtherInstallation, StateError.
        """
        for _ in range(ATTEMPTS):
            data = execute("GET", keys.installation)
            if data is None:
                self._begin(execute, keys)
                continue
            record = decode_record(data)
            if record.id != self._id and not self._membership.accepts(record):
                self._refusal = describe_conflict(record, keys)
                self.raise_refusal()
            self._id, self._refusal = record.id, ""
            self._membership.remember_id(record.id)
            return self._update(execute, keys, record)
        raise StateError(f"{keys.installation} disappears from Redis again and again: does something empty it?")

    def raise_refusal(self) -> None:
        """Raise OtherInstallation where the state was found to be another's, through whichever connection."""
        if self._refusal:
            raise OtherInstallation(self._refusal)

    def check(self, data: bytes | None, keys: KeySpace) -> None:
        """Raise OtherInstallation if a record, as it is in Redis, is another's. Writes nothing."""
        if data is not None and not self._membership.accepts(record := decode_record(data)):
            raise OtherInstallation(describe_conflict(record, keys))

    def _begin(self, execute: Execute, keys: KeySpace) -> None:
        identifier = self._id or self._membership.remembered_id() or secrets.token_hex(8)
        record = self._membership.new_record(identifier, secrets.token_hex(8))
        # Of several processes that begin at once, one's record counts: they all read it again.
        execute("SET", keys.installation, msgspec.json.encode(record), "NX")

    def _update(self, execute: Execute, keys: KeySpace, record: InstallationRecord) -> InstallationRecord:
        """Write this configuration's marks, by which processes with a later configuration join."""
        updated = self._membership.new_record(record.id, record.life)
        if updated == record or not (updated.models or updated.keys):
            return record
        # Not atomic: should Redis be emptied just here, the next poll takes the old life for a new one and writes back
        # what is there already, which changes nothing.
        execute("SET", keys.installation, msgspec.json.encode(updated), "XX")
        return updated


def decode_record(data: bytes) -> InstallationRecord:
    """Decode a record. Raises StateError."""
    try:
        return msgspec.json.decode(data, type=InstallationRecord)
    except msgspec.MsgspecError as error:
        raise StateError(f"the record of the installation in Redis cannot be read: {error}") from error


def describe_conflict(record: InstallationRecord, keys: KeySpace) -> str:
    """Return what is wrong where the state is another installation's, and what to do."""
    names = ", ".join(record.models[:MAX_NAMES]) + (", …" if len(record.models) > MAX_NAMES else "")
    return (
        f"the keys {keys.prefix}:* are the state of another installation, {record.id} (models: {names or 'none'}): "
        "it shares no API key with this configuration, or no model. Set state.prefix to a name of your own, or, to "
        f"join that installation, to {keys.prefix}"
    )


def describe_membership(config: Config, memory: Path | None = None) -> Membership:
    """Return what a configuration tells of its installation. memory: see Membership."""
    hashes = [key.sha256 for key in (*config.keys, *config.admin.keys)]
    return Membership(
        models=tuple(sorted(model.name for model in config.models)),
        keys=tuple(sorted(map(_mark, hashes))),
        is_named=config.state.prefix is not None,
        memory=memory,
    )


def memory_file(cache: Path, address: Sequence[str]) -> Path:
    """Return the file in which a machine remembers the installation at an address."""
    digest = hashlib.blake2b("\n".join(address).encode(), digest_size=8).hexdigest()
    return cache / f"installation-{digest}"


def _mark(sha256: str) -> str:
    # Of the hash, which is a credential's equivalent nowhere, only so much that two can be told apart.
    return hashlib.sha256(sha256.lower().encode()).hexdigest()[:MARK_DIGITS]
