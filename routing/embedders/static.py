"""Static model: every token has one vector, a text is their sum. No transformer runs, so it takes microseconds.

The vectors already contain the tokens' weights (`distil`), and only the direction of a sum counts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, unit_rows
from routing.embedders.tokenizer import WordTokenizer

MAX_TOKENS = 2048
BATCH = 64


class StaticEmbedder:
    """Static model, (n_tokens, dim) vectors, one for each token id."""

    def __init__(self, name: str, revision: str, vectors: NDArray[np.float16], tokenizer: bytes) -> None:
        """vectors: (n_tokens, dim). Raises EmbedderError where the tokenizer cannot be read."""
        self.name, self.revision, self.dim = name, revision, int(vectors.shape[1])
        # Stored as float16, half the size; summed as float32, since float16's 11 bits lose the small terms of a long
        # sum.
        self._vectors = vectors.astype(np.float32)
        self._tokenizer = WordTokenizer(tokenizer, MAX_TOKENS)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return the vectors of the texts, (n_texts, dim)."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), BATCH):
            ids = self._tokenizer.token_ids(texts[start : start + BATCH])
            for row, one in enumerate(ids, start):
                if len(one):
                    vectors[row] = self._vectors.take(one, axis=0).sum(axis=0)
        # A text without any known token: a constant vector, since a zero vector has no direction and the index
        # refuses it.
        vectors[~vectors.any(axis=1)] = 1.0
        return unit_rows(vectors)
