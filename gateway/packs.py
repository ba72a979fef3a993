"""The packs to choose from, and the one in use: what can be told of them without their arrays.

Embedded, they are those that lie beside the configured one. Another place for packs is another class with `found`.
"""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.packfiles import size_bytes
from routing.errors import RoutingError
from routing.manifest import MANIFEST, Manifest, read_manifest

MOST = 200
"""Packs that are listed."""


@dataclass(frozen=True, slots=True)
class FoundPack:
    """A pack. id: its file's or folder's name. manifest: None where it cannot be read, and `fault` says why."""

    id: str
    path: Path
    size_bytes: int
    is_active: bool
    manifest: Manifest | None
    fault: str | None = None


def found(active: Path) -> Sequence[FoundPack]:
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
        return FoundPack(path.name, path, size_bytes(path), is_active, read_manifest(path))
    except (RoutingError, OSError) as error:
        return FoundPack(path.name, path, 0, is_active, None, str(error))
