"""Embedders, and the embedding cache. Heavy libraries are imported where they are used."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.errors import CacheError
from gateway.cli.terminal import print_note, show_progress, stderr_console
from routing.manifest import EmbedderId, Manifest

if TYPE_CHECKING:
    from routing.arrays import Embeddings
    from routing.embedder import Embedder, SentenceTransformerEmbedder

CACHE_FILE = "embeddings.sqlite"
BATCH = 256


def default_cache_path() -> Path:
    """Return the folder of the embedding cache, according to the XDG base directory specification."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "benchroute" / "embeddings"


def load_embedder(name: str) -> "SentenceTransformerEmbedder":
    """Load a sentence-transformers model, which takes seconds, with a note. Raises EmbedderError."""
    print_note(f"loading embedder {name}")
    _quieten()
    from routing.embedder import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(name)


def pack_embedder(pack: Path, manifest: Manifest) -> "Embedder":
    """Load a pack's embedder, with a note: the bundled one, else by name. Raises EmbedderError."""
    print_note(f"loading embedder {manifest.embedder.name}")
    _quieten()
    from routing.embedders.bundled import load_bundled_embedder

    return load_bundled_embedder(pack, manifest)


def embedder_identity(embedder: "Embedder") -> EmbedderId:
    """Return the identity of an embedder as a pack records it."""
    return EmbedderId(embedder.name, embedder.revision, embedder.dim)


def embed_texts(embedder: "Embedder", texts: Sequence[str]) -> "Embeddings":
    """Embed texts, (n_texts, dim), with progress if there are several batches."""
    import numpy as np

    with show_progress(stderr_console()) as steps:
        batches = []
        for start in range(0, len(texts), BATCH):
            if len(texts) > BATCH:
                steps("embedding", start, len(texts))
            batches.append(embedder.embed_texts(texts[start : start + BATCH]))
    return np.concatenate(batches)


def embed_through_cache(embedder: "Embedder", texts: Sequence[str], folder: Path) -> "Embeddings":
    """Embed texts, (n_texts, dim), except those in the cache.

    Raises CacheError. On Ctrl-C, the message of KeyboardInterrupt has the number of embeddings in the cache.
    """
    from routing.embedder import EmbeddingCache

    done: int | None = None

    def reported(now: int, total: int) -> None:
        nonlocal done
        if done is None and now:
            print_note(f"{now} of {total} embeddings found in the cache {folder}")
        done = now
        steps("embedding", now, total)

    try:
        with EmbeddingCache(folder / CACHE_FILE) as cache, show_progress(stderr_console()) as steps:
            return cache.embed_texts(embedder, texts, reported)
    except KeyboardInterrupt:
        if done is None:
            raise
        raise KeyboardInterrupt(
            f"{done} of {len(texts)} embeddings are in the cache {folder}; rerun the command to resume"
        ) from None
    except sqlite3.Error as error:
        raise CacheError(f"embedding cache {folder / CACHE_FILE} cannot be used: {error}") from error


def _quieten() -> None:
    """Disable the libraries' own progress bars without a terminal, where they would clutter a log."""
    if stderr_console().is_terminal:
        return
    try:
        from transformers.utils import logging
    except ImportError:
        return  # the embedder's error names the missing module
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
