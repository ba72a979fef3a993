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
from gateway.config.history import Versions
from gateway.errors import Conflict
from gateway.packs.metadata import size_bytes
from routing.errors import RoutingError
from routing.manifest import MANIFEST, Manifest, read_manifest

MOST = 200
"""Packs that are listed."""


@dataclass(frozen=True, slots=True)
class FoundPack:
    """A pack. id: by which it is asked for; place: by which a scorer opens it. manifest: None where `fault` says why.

    path: its files on this machine, None while they are not here.
    """

    id: str
    place: str
    path: Path | None
    size_bytes: int
    is_active: bool
    manifest: Manifest | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A pack was taken into use. message: what whoever did it should know."""

    id: str
    message: str
    config_version: int | None = None


class Shelf(Protocol):
    """Where packs lie. Every method may raise StateError."""

    def found(self) -> Sequence[FoundPack]:
        """All packs, the one in use among them. May take a while."""

    def fetched(self, pack: FoundPack) -> FoundPack:
        """The same with its files on this machine. May take a while; raises PackRefused."""

    async def take(self, pack: FoundPack) -> Taken:
        """Takes a pack into use. Raises ConfigError, PackRefused, ScorerUnavailable."""

    async def back(self) -> Taken:
        """Takes the pack into use again that was in use before this one. Raises what take raises, and Conflict."""


class Beside:
    """The packs beside the configured one, by name. Taking one into use is another version of the configuration."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    def found(self) -> Sequence[FoundPack]:
        """See Shelf.found."""
        configured = self._versions.in_force.config.routing.pack
        return [] if configured is None else beside(Path(configured))

    def fetched(self, pack: FoundPack) -> FoundPack:
        """See Shelf.fetched."""
        return pack

    async def take(self, pack: FoundPack) -> Taken:
        """See Shelf.take."""
        return await self._use(pack.place)

    async def back(self) -> Taken:
        """See Shelf.back."""
        now = self._versions.in_force.config.routing.pack
        earlier = (version.config.routing.pack for version in reversed(self._versions.history()))
        before = next((path for path in earlier if path is not None and path != now), None)
        if before is None:
            raise Conflict("no other pack was in use since the gateway started")
        return await self._use(before)

    async def _use(self, place: str) -> Taken:
        def changed(config: Config) -> Config:
            return config.model_copy(update={"routing": config.routing.model_copy(update={"pack": place})})

        version = await self._versions.change("pack", changed)
        return Taken(Path(place).name, self._versions.about_file(), version.number)


def beside(active: Path) -> Sequence[FoundPack]:
    """The pack in use, and those beside it, by name."""
    packs = [_read(path, path.name == active.name) for path in _beside(active)]
    return sorted(packs, key=lambda pack: pack.id)


def _beside(active: Path) -> Iterator[Path]:
    try:
        entries = sorted(active.parent.iterdir())
    except OSError:
        entries = [active]
    looks = [path for path in entries if path.name == active.name or _looks_like_one(path)]
    yield from looks[:MOST]


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


def _read(path: Path, is_active: bool) -> FoundPack:
    try:
        return FoundPack(path.name, str(path), path, size_bytes(path), is_active, read_manifest(path))
    except (RoutingError, OSError) as error:
        return FoundPack(path.name, str(path), path, 0, is_active, None, str(error))
