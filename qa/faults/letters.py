"""An embedder that counts letters: the machine's time goes to what is measured, and not to a transformer."""

import os
from collections.abc import Sequence

import numpy as np

from routing.arrays import Embeddings, unit_rows

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
POISON = "POISON"
"""A text with this word ends the process, as a fault in an embedder's native code would."""


class Letters:
    """How often each letter and digit occurs, at unit length. The same text has the same vector in any batch."""

    dim = len(LETTERS)
    revision = "1"

    def __init__(self, name: str = "benchmarks/letters") -> None:
        self.name = name

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """See Embedder.embed."""
        if any(POISON in text for text in texts):
            os.abort()
        rows = [[text.lower().count(letter) + 0.01 for letter in LETTERS] for text in texts]
        return unit_rows(np.array(rows, dtype=np.float32).reshape(len(texts), self.dim))
