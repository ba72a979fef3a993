"""What can be learned of a pack without loading its arrays."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from routing.errors import PackAltered
from routing.manifest import Manifest

REPORT = "report.json"


def size_bytes(path: Path) -> int:
    """The size of a pack, a folder or a .tar."""
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size


def read_report(path: Path, manifest: Manifest) -> dict[str, Any]:
    """The pack's report.json. Raises PackAltered where it is missing or not the one that the manifest names."""
    content = _content(path)
    found, named = hashlib.sha256(content).hexdigest(), manifest.files.get(REPORT, "")
    if found != named:
        raise PackAltered(f"{path}: {REPORT} has hash {found[:12]}, the manifest names {named[:12] or 'none'}")
    report: dict[str, Any] = json.loads(content)
    return report


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            return (path / REPORT).read_bytes()
        with tarfile.open(path) as tar:
            file = tar.extractfile(REPORT)
            return file.read() if file else b""
    except (OSError, KeyError, tarfile.TarError) as error:
        raise PackAltered(f"{path}: {REPORT} is missing") from error
