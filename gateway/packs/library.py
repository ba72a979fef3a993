"""The packs to choose from, and the one in use: what can be told of them without their arrays.

A shelf is where packs lie. Embedded, they are those beside the configured one; a fleet has its own, see
gateway.distributed.pack_library.
"""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.config import Config
from gateway.config.history import ConfigHistory
from gateway.errors import Conflict
from gateway.packs.metadata import pack_size_bytes
from routing.errors import RoutingError
from routing.manifest import MANIFEST, Manifest, read_manifest

MAX_LISTED = 200
"""Packs that are listed."""


@dataclass(frozen=True, slots=True)
class PackInfo:
    """A pack. id: by which it is asked for; place: by which a scorer opens it. manifest: None where `fault` says why.

    path: its files on this machine, None while they are not here.
    """

    id: str
    place: str
    path: Path | None
    size_bytes: int
    is_active: bool
    manifest: Manifest | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Activation:
    """A pack was taken into use. message: what whoever did it should know."""

    id: str
    message: str
    config_version: int | None = None


class PackLibrary(Protocol):
    """Where packs lie. Every method may raise StateError."""

    def list_packs(self) -> Sequence[PackInfo]:
        """All packs, the one in use among them. May take a while."""

    def ensure_local(self, pack: PackInfo) -> PackInfo:
        """The same with its files on this machine. May take a while; raises PackRejected."""

    async def activate_pack(self, pack: PackInfo) -> Activation:
        """Takes a pack into use. Raises ConfigError, PackRejected, ScorerUnavailable."""

    async def rollback_pack(self) -> Activation:
        """Takes the pack into use again that was in use before this one. Raises what take raises, and Conflict."""


class LocalPackLibrary:
    """The packs beside the configured one, by name. Taking one into use is another version of the configuration."""

    def __init__(self, versions: ConfigHistory) -> None:
        self._versions = versions

    def list_packs(self) -> Sequence[PackInfo]:
        """See Shelf.found."""
        configured = self._versions.current_version.config.routing.pack
        return [] if configured is None else local_packs(Path(configured))

    def ensure_local(self, pack: PackInfo) -> PackInfo:
        """See Shelf.fetched."""
        return pack

    async def activate_pack(self, pack: PackInfo) -> Activation:
        """See Shelf.take."""
        return await self._use(pack.place)

    async def rollback_pack(self) -> Activation:
        """See Shelf.back."""
        now = self._versions.current_version.config.routing.pack
        earlier = (version.config.routing.pack for version in reversed(self._versions.list_versions()))
        before = next((path for path in earlier if path is not None and path != now), None)
        if before is None:
            raise Conflict("no other pack was in use since the gateway started")
        return await self._use(before)

    async def _use(self, place: str) -> Activation:
        def changed(config: Config) -> Config:
            return config.model_copy(update={"routing": config.routing.model_copy(update={"pack": place})})

        version = await self._versions.change_config("pack", changed)
        return Activation(Path(place).name, self._versions.file_note(), version.number)


def local_packs(active: Path) -> Sequence[PackInfo]:
    """The pack in use, and those beside it, by name."""
    packs = [_read(path, path.name == active.name) for path in _beside(active)]
    return sorted(packs, key=lambda pack: pack.id)


def _beside(active: Path) -> Iterator[Path]:
    try:
        entries = sorted(active.parent.iterdir())
    except OSError:
        entries = [active]
    looks = [path for path in entries if path.name == active.name or _looks_like_one(path)]
    yield from looks[:MAX_LISTED]


def _looks_like_one(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return (path / MANIFEST).is_file() or (path.suffix == ".tar" and path.is_file() and _has_manifest(path))


def _has_manifest(path: Path) -> bool:
    try:
        with tarfile.open(path) as tar:
            first = tar.next()
            return first is not None and first.name == MANIFEST  # as we write it; nobody's backup is read through
    except (OSError, tarfile.TarError):
        return False


def _read(path: Path, is_active: bool) -> PackInfo:
    try:
        return PackInfo(path.name, str(path), path, pack_size_bytes(path), is_active, read_manifest(path))
    except (RoutingError, OSError) as error:
        return PackInfo(path.name, str(path), path, 0, is_active, None, str(error))
