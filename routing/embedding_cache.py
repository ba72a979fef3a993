"""Embeddings that were paid for once: a SQLite file keyed by embedder and text.

Written batch by batch, so an interrupted build goes on where it stopped.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from routing.arrays import Embeddings
from routing.embedder import Embedder

BATCH = 256


class EmbeddingCache:
    """An Embedder's answers, kept. Use as a context manager."""

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
        """The embeddings of the texts, (n_texts, dim); only those not in the cache are computed."""
        keys = [_key(embedder, text) for text in texts]
        missing = [place for place, key in enumerate(keys) if self._vector(key) is None]
        missing.sort(key=lambda place: len(texts[place]))  # texts of like length share a batch, and padding with it
        for start in range(0, len(missing), BATCH):
            progress(len(texts) - len(missing) + start, len(texts))
            batch = missing[start : start + BATCH]
            vectors = embedder.embed_texts([texts[place] for place in batch])
            rows = [(keys[place], vector.tobytes()) for place, vector in zip(batch, vectors, strict=True)]
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", rows)
        progress(len(texts), len(texts))
        found = [np.frombuffer(self._vector(key) or b"", dtype=np.float32) for key in keys]
        return np.stack(found) if found else np.empty((0, embedder.dim), dtype=np.float32)

    def _vector(self, key: bytes) -> bytes | None:
        row = self._connection.execute("SELECT vector FROM embeddings WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None


def _key(embedder: Embedder, text: str) -> bytes:
    identity = f"{embedder.name}\0{embedder.revision}\0{embedder.dim}\0".encode()
    return hashlib.sha256(identity + text.encode("utf-8", "surrogatepass")).digest()
