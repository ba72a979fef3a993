"""Embedders, and the cache of what they gave. Imports the heavy libraries where they are used."""

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
    """Where embeddings are kept, after the XDG base directory specification."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "benchroute" / "embeddings"


def load_embedder(name: str) -> "SentenceTransformerEmbedder":
    """Loads a sentence-transformers model, which takes seconds, and says so. Raises EmbedderError."""
    print_note(f"loading embedder {name}")
    _quieten()
    from routing.embedder import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(name)


def pack_embedder(pack: Path, manifest: Manifest) -> "Embedder":
    """The embedder for a pack's tasks, and says so: the one that it carries, else by name. Raises EmbedderError."""
    print_note(f"loading embedder {manifest.embedder.name}")
    _quieten()
    from routing.embedders.bundled import load_bundled_embedder

    return load_bundled_embedder(pack, manifest)


def embedder_identity(embedder: "Embedder") -> EmbedderId:
    """What a pack records of an embedder."""
    return EmbedderId(embedder.name, embedder.revision, embedder.dim)


def embed_texts(embedder: "Embedder", texts: Sequence[str]) -> "Embeddings":
    """The texts' embeddings, (n_texts, dim), with progress where there are many."""
    import numpy as np

    with show_progress(stderr_console()) as steps:
        batches = []
        for start in range(0, len(texts), BATCH):
            if len(texts) > BATCH:
                steps("embedding", start, len(texts))
            batches.append(embedder.embed_texts(texts[start : start + BATCH]))
    return np.concatenate(batches)


def embed_through_cache(embedder: "Embedder", texts: Sequence[str], folder: Path) -> "Embeddings":
    """The texts' embeddings, (n_texts, dim), those that the cache has from there.

    Raises CacheError. On Ctrl-C, KeyboardInterrupt says how many are in the cache by then.
    """
    from routing.embedder import EmbeddingCache

    done: int | None = None

    def reported(now: int, total: int) -> None:
        nonlocal done
        if done is None and now:
            print_note(f"{now} of {total} embeddings are in {folder}")
        done = now
        steps("embedding", now, total)

    try:
        with EmbeddingCache(folder / CACHE_FILE) as cache, show_progress(stderr_console()) as steps:
            return cache.embed_texts(embedder, texts, reported)
    except KeyboardInterrupt:
        if done is None:
            raise
        raise KeyboardInterrupt(
            f"{done} of {len(texts)} embeddings are kept in {folder}; the same command goes on from there"
        ) from None
    except sqlite3.Error as error:
        raise CacheError(f"{folder / CACHE_FILE} cannot be used: {error}") from error


def _quieten() -> None:
    """Away from a terminal, the libraries' own progress bars are noise in a log."""
    if stderr_console().is_terminal:
        return
    try:
        from transformers.utils import logging
    except ImportError:
        return  # the embedder says what is missing
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
