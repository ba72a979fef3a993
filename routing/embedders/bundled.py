"""Embedder bundled in a pack: its files, and the Embedder opened from them.

embedder/about.json       description, and its vectors of three texts
embedder/tokenizer.json
embedder/model.onnx       of an exported transformer
embedder/model.npz        the same with packed weights (routing.embedders.packed_weights)
embedder/vectors.npy      of a static model, (n_tokens, dim) float16

An exported model has the name and revision of its source: its pack accepts vectors of either.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from routing.bounded import InvalidArchive, LimitExceeded, read_file, read_tar_member, reading_pack
from routing.bounded_arrays import InvalidArray, parse_npy
from routing.embedder import Embedder, SentenceTransformerEmbedder
from routing.embedders.packed_weights import unpack_model
from routing.errors import EmbedderError, PackCorrupted, RoutingError
from routing.manifest import Manifest

FOLDER = "embedder/"
ABOUT = FOLDER + "about.json"
TOKENIZER = FOLDER + "tokenizer.json"
MODEL = FOLDER + "model.onnx"
PACKED = FOLDER + "model.npz"
VECTORS = FOLDER + "vectors.npy"

PROBES = ("What is 17 plus 25?", "Translate the second paragraph into French, and keep the names.", "lamp")
SAME = 0.999
"""Minimum cosine to the recorded vectors: detects a processor that rounds or saturates differently before it routes."""


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """Content of embedder/about.json.

    Attributes:
        kind: onnx or static.
        name: full model name.
        revision: fingerprint of the source.
        dim: length of a vector.
        precision: fp32, fp16 or int8; "10-bit weights" or "fp16 weights" where only the file is smaller.
        max_tokens: texts are cut here.
        probes: the vectors of PROBES.
        kept: share of the 19 nearest inputs that stay the same under this embedder; None if not measured.
        decisions: number of equal decisions under it, and of all that were compared; None if not measured.
    """

    kind: str
    name: str
    revision: str
    dim: int
    precision: str
    max_tokens: int
    probes: tuple[tuple[float, ...], ...] = ()
    kept: float | None = None
    decisions: tuple[int, int] | None = None

    def to_json(self) -> bytes:
        """Return the text of about.json."""
        return (json.dumps(asdict(self)) + "\n").encode()


@dataclass(frozen=True, slots=True)
class BundledEmbedder:
    """An embedder as files.

    Attributes:
        files: by name in the pack.
        about: its description.
    """

    files: Mapping[str, bytes]
    about: BundleInfo

    @property
    def size_bytes(self) -> int:
        """Size of the files."""
        return sum(len(data) for data in self.files.values())

    def open_embedder(self) -> Embedder:
        """Open the embedder from its files."""
        return open_bundle(self.files)

    def fingerprint(self) -> str:
        """Return 16 hex digits over the files but `about`."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            digest.update(b"" if name == ABOUT else self.files[name])
        return digest.hexdigest()[:16]


def load_bundled_embedder(path: Path, manifest: Manifest) -> Embedder:
    """Return the embedder for a pack's tasks: the bundled one, else sentence-transformers.

    Raises EmbedderError where neither is available, PackCorrupted where a bundled file is not the one in the
    manifest.
    """
    files = read_bundle_files(path, manifest)
    if not files:
        return SentenceTransformerEmbedder(manifest.embedder.name)
    try:
        return open_bundle(files)
    except (EmbedderError, ImportError) as error:
        return _fall_back(manifest.embedder.name, error)


def _fall_back(name: str, error: Exception) -> Embedder:
    """Return sentence-transformers in place of a bundled embedder that cannot be opened. Raises EmbedderError with
    both reasons.
    """
    # Falling back keeps a scorer with PyTorch working on a pack whose bundle it cannot run.
    reason = f"the pack's own embedder cannot be opened: {error}"
    if isinstance(error, ImportError):
        reason += " (pip install 'benchroute[scorer]')"
    try:
        return SentenceTransformerEmbedder(name)
    except RoutingError as second:
        raise EmbedderError(f"{reason}; {second}") from error


def embedder_source(manifest: Manifest) -> dict[str, str]:
    """Return the identity of a pack's embedder: its name, and the hashes of its bundled files."""
    bundled = {name: digest for name, digest in manifest.files.items() if name.startswith(FOLDER)}
    return {"name": manifest.embedder.name, **bundled}


def read_bundle_files(path: Path, manifest: Manifest) -> dict[str, bytes]:
    """Read the bundled files of a pack, a folder or a .tar; empty without any. Raises PackCorrupted."""
    names = [name for name in manifest.files if name.startswith(FOLDER)]
    try:
        with reading_pack():
            found = _from_folder(path, names) if path.is_dir() else _from_tar(path, names)
    except (OSError, KeyError, LimitExceeded, InvalidArchive) as error:
        raise PackCorrupted(f"{path}: an embedder's file is missing: {error}") from error
    for name, data in found.items():
        # The files are read apart from the rest of the pack, so they are checked here as well.
        if hashlib.sha256(data).hexdigest() != manifest.files[name]:
            raise PackCorrupted(f"{path}: {name} does not match its hash in the manifest")
    return found


def _from_folder(path: Path, names: list[str]) -> dict[str, bytes]:
    return {name: read_file(path / name) for name in names}


def _from_tar(path: Path, names: list[str]) -> dict[str, bytes]:
    return {name: read_tar_member(path, name) for name in names}


def open_bundle(files: Mapping[str, bytes]) -> Embedder:
    """Open the embedder from its files. Raises EmbedderError, and ImportError where its library is not installed."""
    about = read_bundle_info(files)
    embedder = _open_kind(about, files)
    # int8 kernels differ between processors (saturation without VNNI); three texts detect it in milliseconds.
    for text, expected, vector in zip(
        PROBES, about.probes, embedder.embed_texts(PROBES) if about.probes else (), strict=False
    ):
        cosine = float(np.asarray(expected) @ vector)
        if cosine < SAME:
            raise EmbedderError(
                f"{about.name} in {about.precision}: the vector of {text!r} has cosine {cosine:.4f} to the recorded one"
            )
    return embedder


def read_bundle_info(files: Mapping[str, bytes]) -> BundleInfo:
    """Read the description of a bundled embedder. Raises EmbedderError."""
    try:
        raw: dict[str, Any] = json.loads(files[ABOUT])
        decisions = raw.get("decisions")
        return BundleInfo(
            **{
                **raw,
                "probes": tuple(tuple(vector) for vector in raw["probes"]),
                "decisions": None if decisions is None else (int(decisions[0]), int(decisions[1])),
            }
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise EmbedderError(f"{ABOUT} cannot be read: {error!r}") from error


def _open_kind(about: BundleInfo, files: Mapping[str, bytes]) -> Embedder:
    if about.kind == "onnx":
        # Imported here: a static model needs no onnxruntime.
        from routing.embedders.onnx import OnnxEmbedder

        model = unpack_model(files[PACKED]) if PACKED in files else _file(files, MODEL)
        return OnnxEmbedder(about.name, about.revision, about.dim, about.max_tokens, model, _file(files, TOKENIZER))
    if about.kind == "static":
        from routing.embedders.static import StaticEmbedder

        try:
            vectors = parse_npy(_file(files, VECTORS), VECTORS)
        except (InvalidArray, LimitExceeded) as error:
            raise EmbedderError(str(error)) from error
        return StaticEmbedder(about.name, about.revision, vectors, _file(files, TOKENIZER))
    raise EmbedderError(f"the pack has an embedder of unknown kind {about.kind!r}: it needs a newer version")


def agreement_sentence(about: BundleInfo) -> str:
    """Return how much the embedder's smaller form changes; empty for one that is not smaller."""
    if about.kept is None:
        return ""
    kept = f"{100 * about.kept:.1f} % of nearest neighbours"
    if about.decisions is None:
        return kept
    equal, n = about.decisions
    return f"{kept}, {f'all {n}' if equal == n else f'{equal} of {n}'} decisions equal"


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise EmbedderError(f"the pack's embedder is missing {name}")
    return files[name]
