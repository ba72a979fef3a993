"""An embedder that counts letters: fast, deterministic, and a real process abort on demand."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, unit_rows
from routing.embedder import STATIC

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
UNAVAILABLE = f"{STATIC}letters"
"""An embedder's name that is refused at once: looking for another one imports PyTorch first."""
POISON = "POISON"
"""A text with this word aborts the process, as a crash in an embedder's native code would."""


@dataclass(frozen=True)
class Letters:
    """Frequencies of letters and digits at unit length. The same text has the same vector in any batch."""

    dim: int = len(LETTERS)
    name: str = "tests/letters"
    revision: str = "1"

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return the texts' vectors, shape (n_texts, dim)."""
        if any(POISON in text for text in texts):
            os.abort()
        rows = [[Counter(text.lower())[letter] + 0.01 for letter in LETTERS[: self.dim]] for text in texts]
        return unit_rows(np.array(rows, dtype=np.float32).reshape(len(texts), self.dim))
