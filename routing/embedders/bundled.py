"""The embedder in a pack: a few files, and how they become an Embedder again.

embedder/about.json       what it is, and what it made of three texts
embedder/tokenizer.json
embedder/model.onnx       of an exported transformer
embedder/vectors.npy      of a static model, (n_tokens, dim) float16

An exported model keeps the name and revision of its source: the pack it lies in takes vectors of either.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from routing.embedder import Embedder, SentenceTransformerEmbedder
from routing.errors import EmbedderError, PackCorrupted, RoutingError
from routing.manifest import Manifest

FOLDER = "embedder/"
ABOUT = FOLDER + "about.json"
TOKENIZER = FOLDER + "tokenizer.json"
MODEL = FOLDER + "model.onnx"
VECTORS = FOLDER + "vectors.npy"

PROBES = ("What is 17 plus 25?", "Translate the second paragraph into French, and keep the names.", "lamp")
SAME = 0.999
"""Least cosine to what was recorded: a processor that rounds or saturates otherwise is found out before it routes."""


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """What embedder/about.json says.

    precision: fp32 or int8. max_tokens: where texts are cut. probes: the vectors of PROBES. kept: the share of the 19
    nearest inputs that stay the same under this embedder, where that was measured.
    """

    kind: str
    name: str
    revision: str
    dim: int
    precision: str
    max_tokens: int
    probes: tuple[tuple[float, ...], ...] = ()
    kept: float | None = None

    def to_json(self) -> bytes:
        """The text of about.json."""
        return (json.dumps(asdict(self)) + "\n").encode()


@dataclass(frozen=True, slots=True)
class BundledEmbedder:
    """An embedder as files, and what it was found to be."""

    files: Mapping[str, bytes]
    about: BundleInfo

    def open_embedder(self) -> Embedder:
        """The embedder, opened from its files."""
        return open_bundle(self.files)

    def fingerprint(self) -> str:
        """16 hex digits over the files but `about`."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            digest.update(b"" if name == ABOUT else self.files[name])
        return digest.hexdigest()[:16]


def load_bundled_embedder(path: Path, manifest: Manifest) -> Embedder:
    """The embedder for a pack's tasks: the one that it carries, else sentence-transformers.

    Raises EmbedderError where neither can be had, PackCorrupted where a carried file is not the one of the manifest.
    """
    files = read_bundle_files(path, manifest)
    if not files:
        return SentenceTransformerEmbedder(manifest.embedder.name)
    try:
        return open_bundle(files)
    except (EmbedderError, ImportError) as error:
        return _otherwise(manifest.embedder.name, error)


def _otherwise(name: str, error: Exception) -> Embedder:
    """Sentence-transformers after all, if it is there and the model is one of its own."""
    reason = f"the pack's own embedder cannot be used: {error}"
    if isinstance(error, ImportError):
        reason += " (pip install 'benchroute[scorer]')"
    try:
        return SentenceTransformerEmbedder(name)
    except RoutingError as second:
        raise EmbedderError(f"{reason}; {second}") from error


def embedder_source(manifest: Manifest) -> dict[str, str]:
    """What a pack's embedder is made of: its name, and the hashes of the files that the pack carries of it."""
    carried = {name: digest for name, digest in manifest.files.items() if name.startswith(FOLDER)}
    return {"name": manifest.embedder.name, **carried}


def read_bundle_files(path: Path, manifest: Manifest) -> dict[str, bytes]:
    """The carried files of a pack, a folder or a .tar; none where it carries none. Raises PackCorrupted."""
    names = [name for name in manifest.files if name.startswith(FOLDER)]
    try:
        found = _from_folder(path, names) if path.is_dir() else _from_tar(path, names)
    except (OSError, KeyError, tarfile.TarError) as error:
        raise PackCorrupted(f"{path}: an embedder's file is missing: {error}") from error
    for name, data in found.items():
        if hashlib.sha256(data).hexdigest() != manifest.files[name]:
            raise PackCorrupted(f"{path}: {name} is not the file that the manifest names")
    return found


def _from_folder(path: Path, names: list[str]) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in names}


def _from_tar(path: Path, names: list[str]) -> dict[str, bytes]:
    if not names:
        return {}
    with tarfile.open(path) as tar:
        files = {name: tar.extractfile(name) for name in names}
        return {name: file.read() for name, file in files.items() if file}


def open_bundle(files: Mapping[str, bytes]) -> Embedder:
    """The embedder that these files are. Raises EmbedderError, and ImportError where its library is not installed."""
    about = read_bundle_info(files)
    embedder = _opened(about, files)
    for text, expected, vector in zip(
        PROBES, about.probes, embedder.embed_texts(PROBES) if about.probes else (), strict=False
    ):
        cosine = float(np.asarray(expected) @ vector)
        if cosine < SAME:
            raise EmbedderError(
                f"{about.name} in {about.precision} gives {text!r} a vector of cosine {cosine:.4f} to its own"
            )
    return embedder


def read_bundle_info(files: Mapping[str, bytes]) -> BundleInfo:
    """What a pack says of the embedder that it carries. Raises EmbedderError."""
    try:
        raw: dict[str, Any] = json.loads(files[ABOUT])
        return BundleInfo(**{**raw, "probes": tuple(tuple(vector) for vector in raw["probes"])})
    except (ValueError, KeyError, TypeError) as error:
        raise EmbedderError(f"{ABOUT} cannot be read: {error!r}") from error


def _opened(about: BundleInfo, files: Mapping[str, bytes]) -> Embedder:
    if about.kind == "onnx":
        from routing.embedders.onnx import OnnxEmbedder

        return OnnxEmbedder(
            about.name, about.revision, about.dim, about.max_tokens, _file(files, MODEL), _file(files, TOKENIZER)
        )
    if about.kind == "static":
        from routing.embedders.static import StaticEmbedder

        vectors = np.load(io.BytesIO(_file(files, VECTORS)), allow_pickle=False)
        return StaticEmbedder(about.name, about.revision, vectors, _file(files, TOKENIZER))
    raise EmbedderError(f"the pack carries an embedder of a kind that this version does not know: {about.kind!r}")


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise EmbedderError(f"the pack's embedder lacks {name}")
    return files[name]
