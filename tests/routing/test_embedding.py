"""The real embedder, and the cache of what embedders gave."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from routing.arrays import Embeddings, unit_rows
from routing.embedder import BATCH_TEXTS, EmbeddingCache, SentenceTransformerEmbedder, canonical_name
from routing.errors import EmbedderError


@pytest.fixture(scope="module")
def real() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder()


def test_vectors_are_of_unit_length_and_the_revision_names_the_weights(real: SentenceTransformerEmbedder) -> None:
    vectors = real.embed_texts(["one", "a rather longer text about lamps"])
    assert vectors.shape == (2, real.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    assert (real.name, real.dim, len(real.revision)) == ("sentence-transformers/all-MiniLM-L6-v2", 384, 16)
    assert SentenceTransformerEmbedder("all-MiniLM-L6-v2").revision == real.revision


def test_a_text_has_the_same_vector_in_any_batch(real: SentenceTransformerEmbedder) -> None:
    texts = ["short", "word " * 100, "another one"]
    alone = np.concatenate([real.embed_texts([text]) for text in texts])
    np.testing.assert_allclose(real.embed_texts(texts), alone, atol=1e-5)


def test_odd_texts_have_vectors_too(real: SentenceTransformerEmbedder) -> None:
    vectors = real.embed_texts(["", "cut \ud83d", "x" * 1_000_000, "\x00"])
    assert np.isfinite(vectors).all()
    assert real.embed_texts([]).shape == (0, real.dim)


def test_texts_on_one_subject_are_nearer_than_others(real: SentenceTransformerEmbedder) -> None:
    lamp, light, river = real.embed_texts(["How much does a lamp cost?", "The price of a light", "The longest river"])
    assert lamp @ light > lamp @ river


def test_an_embedder_that_is_not_there_is_an_error() -> None:
    with pytest.raises(EmbedderError, match="nobody/has-this"):
        SentenceTransformerEmbedder("nobody/has-this")
    assert canonical_name("all-mpnet-base-v2") == "sentence-transformers/all-mpnet-base-v2"


@dataclass
class Counting:
    """Remembers what it was asked; fails after so many texts."""

    revision: str = "1"
    fails_after: int = 1_000_000
    name: str = "tests/counting"
    dim: int = 3
    asked: list[str] = field(default_factory=list)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        if len(self.asked) + len(texts) > self.fails_after:
            raise KeyboardInterrupt
        self.asked += texts
        return unit_rows(np.array([[len(text), 1, ord(text[0])] for text in texts], dtype=np.float32))


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[EmbeddingCache]:
    with EmbeddingCache(tmp_path / "sub" / "cache.db") as opened:
        yield opened


def test_what_was_embedded_is_not_embedded_again(cache: EmbeddingCache) -> None:
    embedder = Counting()
    first = cache.embed_texts(embedder, ["a", "bb", "a"])
    again = cache.embed_texts(embedder, ["bb", "ccc", "a"])
    np.testing.assert_array_equal(again[[2, 0]], first[:2])
    assert sorted(embedder.asked) == ["a", "a", "bb", "ccc"]
    assert cache.embed_texts(embedder, []).shape == (0, 3)


def test_an_interrupted_run_goes_on_where_it_stopped(cache: EmbeddingCache) -> None:
    texts = [f"text {place}" for place in range(BATCH_TEXTS + 50)]
    seen: list[tuple[int, int]] = []
    with pytest.raises(KeyboardInterrupt):
        cache.embed_texts(Counting(fails_after=BATCH_TEXTS), texts, lambda done, total: seen.append((done, total)))
    assert seen == [(0, BATCH_TEXTS + 50), (BATCH_TEXTS, BATCH_TEXTS + 50)]
    rest = Counting()
    vectors = cache.embed_texts(rest, texts)
    assert len(rest.asked) == 50
    np.testing.assert_array_equal(vectors, Counting().embed_texts(texts))


def test_another_revision_has_other_vectors(cache: EmbeddingCache) -> None:
    cache.embed_texts(Counting("1"), ["a"])
    other = Counting("2")
    cache.embed_texts(other, ["a"])
    assert other.asked == ["a"]
