"""A pack's size, report and embedder, read without its arrays."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from routing.errors import PackCorrupted
from routing.manifest import Manifest

REPORT = "report.json"
EMBEDDER_INFO = "embedder/about.json"


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
    document: dict[str, Any] = json.loads(content)
    return document


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            return (path / name).read_bytes()
        with tarfile.open(path) as tar:
            file = tar.extractfile(name)
            return file.read() if file else b""
    except (OSError, KeyError, tarfile.TarError) as error:
        raise PackCorrupted(f"{path}: {name} is missing") from error
