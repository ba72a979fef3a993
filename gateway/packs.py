"""Packs as the gateway's process sees them: manifests, reports and the library to choose from, never arrays.

Embedded, the library is the configured pack's folder; the distributed deployment has its own library, see
gateway.distributed.pack_library.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.config import Config
from gateway.config.history import ConfigHistory
from gateway.errors import Conflict
from gateway.vocabulary import PUBLIC_PACK
from routing.bounded import InvalidArchive, LimitExceeded, open_tar, read_file, read_tar_member
from routing.catalogue.public_pack import public_pack_path
from routing.errors import PackCorrupted, RoutingError
from routing.manifest import MANIFEST, Manifest, read_manifest

REPORT = "report.json"
EMBEDDER_INFO = "embedder/about.json"

MAX_LISTED = 200
"""Maximum number of packs in a list."""


@dataclass(frozen=True, slots=True)
class PackInfo:
    """A pack of a library.

    Attributes:
        id: its name in the API.
        place: path or URL by which a scorer opens it.
        path: its files on this machine, None where there are none.
        size_bytes: of all its files.
        is_active: true for the pack in use.
        manifest: None where it cannot be read.
        error: reason why the manifest cannot be read.
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
    """Result of an activation.

    Attributes:
        id: the pack's name.
        message: note for the operator.
        config_version: number of the configuration that names the pack, None in the distributed deployment.
    """

    id: str
    message: str
    config_version: int | None = None


class PackLibrary(Protocol):
    """Storage of packs. Every method may raise StateError."""

    def list_packs(self) -> Sequence[PackInfo]:
        """Return all packs, the active one among them. Blocks on files or the network."""

    def ensure_local(self, pack: PackInfo) -> PackInfo:
        """Return the pack with its files on this machine. Blocks on files or the network. Raises PackRejected."""

    async def activate_pack(self, pack: PackInfo) -> Activation:
        """Activate a pack. Raises ConfigError, PackRejected, ScorerUnavailable."""

    async def rollback_pack(self) -> Activation:
        """Activate the previous pack. Raises Conflict without one, and what activate_pack raises."""


class LocalPackLibrary:
    """Packs in the configured one's folder. Activation makes a new version of the configuration."""

    def __init__(self, history: ConfigHistory) -> None:
        self._history = history

    def list_packs(self) -> Sequence[PackInfo]:
        """Return the packs, sorted by name."""
        configured = self._history.current_version.config.routing.pack
        path = configured_path(configured)
        return [] if path is None else local_packs(path)

    def ensure_local(self, pack: PackInfo) -> PackInfo:
        """Return the pack as it is: its files are on this machine."""
        return pack

    async def activate_pack(self, pack: PackInfo) -> Activation:
        """Activate a pack. Raises ConfigError, PackRejected, ScorerUnavailable."""
        return await self._activate_path(pack.place)

    async def rollback_pack(self) -> Activation:
        """Activate the previous pack. Raises Conflict without one, and what activate_pack raises."""
        now = self._history.current_version.config.routing.pack
        earlier = (version.config.routing.pack for version in reversed(self._history.list_versions()))
        before = next((path for path in earlier if path is not None and path != now), None)
        if before is None:
            raise Conflict("No previous pack: the active one has been in use since the gateway started.")
        return await self._activate_path(before)

    async def _activate_path(self, place: str) -> Activation:
        def with_pack(config: Config) -> Config:
            return config.model_copy(update={"routing": config.routing.model_copy(update={"pack": place})})

        version = await self._history.change_config("pack", with_pack)
        return Activation(Path(place).name, self._history.file_note(), version.number)


def configured_path(pack: str | None) -> Path | None:
    """Return the path that `routing.pack` means; None without a pack."""
    if pack is None:
        return None
    return public_pack_path() if pack == PUBLIC_PACK else Path(pack)


def local_packs(active: Path) -> Sequence[PackInfo]:
    """Return the active pack and the others in its folder, sorted by name."""
    packs = [_read_info(path, path.name == active.name) for path in _pack_paths(active)]
    return sorted(packs, key=lambda pack: pack.id)


def _pack_paths(active: Path) -> Iterator[Path]:
    try:
        entries = sorted(active.parent.iterdir())
    except OSError:
        entries = [active]
    found = [path for path in entries if path.name == active.name or _is_pack(path)]
    yield from found[:MAX_LISTED]


def _is_pack(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return (path / MANIFEST).is_file() or (path.suffix == ".tar" and path.is_file() and _has_manifest(path))


def _has_manifest(path: Path) -> bool:
    try:
        with open_tar(path) as tar:
            # A pack's archive has its manifest first. Only this member is read: other archives may be gigabytes.
            first = tar.next()
            return first is not None and first.name == MANIFEST
    except (OSError, RoutingError):
        return False


def _read_info(path: Path, is_active: bool) -> PackInfo:
    try:
        return PackInfo(path.name, str(path), path, pack_size_bytes(path), is_active, read_manifest(path))
    except (RoutingError, OSError) as error:
        return PackInfo(path.name, str(path), path, 0, is_active, None, str(error))


def pack_size_bytes(path: Path) -> int:
    """Return the size of a pack's files. path: a folder or a .tar."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())


def read_report(path: Path, manifest: Manifest) -> dict[str, Any]:
    """Return the pack's report.json. Raises PackCorrupted if it is missing or its hash is not the manifest's."""
    return _read_document(path, manifest, REPORT)


def read_embedder_info(path: Path, manifest: Manifest) -> dict[str, Any] | None:
    """Return the description of the pack's own embedder, None without one. Raises PackCorrupted."""
    return _read_document(path, manifest, EMBEDDER_INFO) if EMBEDDER_INFO in manifest.files else None


def _read_document(path: Path, manifest: Manifest, name: str) -> dict[str, Any]:
    content = _read_bytes(path, name)
    found, named = hashlib.sha256(content).hexdigest(), manifest.files.get(name, "")
    if found != named:
        raise PackCorrupted(f"{path}: {name} has hash {found[:12]}, the manifest names {named[:12] or 'none'}")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PackCorrupted(f"{path}: {name} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise PackCorrupted(f"{path}: {name} is not a JSON object")
    return document


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            return read_file(path / name)
        return read_tar_member(path, name)
    except (OSError, KeyError) as error:
        raise PackCorrupted(f"{path}: {name} is missing") from error
    except (LimitExceeded, InvalidArchive) as error:
        raise PackCorrupted(str(error)) from error
