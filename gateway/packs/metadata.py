"""What can be learned of a pack without loading its arrays."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from routing.errors import PackAltered
from routing.manifest import Manifest

REPORT = "report.json"
ABOUT = "embedder/about.json"


def size_bytes(path: Path) -> int:
    """The size of a pack, a folder or a .tar."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())


def read_report(path: Path, manifest: Manifest) -> dict[str, Any]:
    """The pack's report.json. Raises PackAltered where it is missing or not the one that the manifest names."""
    return _read(path, manifest, REPORT)


def read_about(path: Path, manifest: Manifest) -> dict[str, Any] | None:
    """What the pack says of the embedder that it carries, None where it carries none. Raises PackAltered as above."""
    return _read(path, manifest, ABOUT) if ABOUT in manifest.files else None


def _read(path: Path, manifest: Manifest, name: str) -> dict[str, Any]:
    content = _content(path, name)
    found, named = hashlib.sha256(content).hexdigest(), manifest.files.get(name, "")
    if found != named:
        raise PackAltered(f"{path}: {name} has hash {found[:12]}, the manifest names {named[:12] or 'none'}")
    document: dict[str, Any] = json.loads(content)
    return document


def _content(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            return (path / name).read_bytes()
        with tarfile.open(path) as tar:
            file = tar.extractfile(name)
            return file.read() if file else b""
    except (OSError, KeyError, tarfile.TarError) as error:
        raise PackAltered(f"{path}: {name} is missing") from error
