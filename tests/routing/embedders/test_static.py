"""A static model distilled from a small transformer, against the same done by hand."""

import numpy as np
import pytest

from routing.embedder import STATIC_DIM, SentenceTransformerEmbedder, canonical_name, static_parts
from routing.embedders.bundled import BundledEmbedder
from routing.embedders.distil import SIF, distil_embedder, pca, token_vectors, zipf_weights
from routing.embedders.static import BATCH
from routing.errors import EmbedderError
from tests.routing.embedders.conftest import TEXTS


@pytest.fixture(scope="module")
def static(tiny: SentenceTransformerEmbedder) -> BundledEmbedder:
    return distil_embedder(tiny, 12)


def test_a_text_is_the_weighted_sum_of_its_tokens(tiny: SentenceTransformerEmbedder, static: BundledEmbedder) -> None:
    tokenizer = tiny.model.tokenizer
    raw = token_vectors(tiny, len(tokenizer), lambda what, done, total: None)
    narrow = pca(raw, 12) * zipf_weights(len(raw))[:, None]
    ids = tokenizer("lamp light unheard", add_special_tokens=False)["input_ids"]
    by_hand = narrow[ids[0]] + narrow[ids[1]]  # the third is unknown, which says nothing
    by_hand /= np.linalg.norm(by_hand)
    np.testing.assert_allclose(static.open_embedder().embed_texts(["lamp light unheard"])[0], by_hand, atol=2e-3)


def test_a_token_alone_is_what_the_transformer_makes_of_it(tiny: SentenceTransformerEmbedder) -> None:
    raw = token_vectors(tiny, 8, lambda what, done, total: None)
    word = tiny.model.tokenizer.convert_ids_to_tokens(7)
    np.testing.assert_allclose(raw[7] / np.linalg.norm(raw[7]), tiny.embed_texts([word])[0], atol=1e-5)


def test_it_says_what_it_is_and_is_the_same_every_time(
    tiny: SentenceTransformerEmbedder, static: BundledEmbedder
) -> None:
    embedder = static.open_embedder()
    assert (embedder.name, embedder.dim) == (f"static:{tiny.name}:12", 12)
    assert distil_embedder(tiny, 12).about == static.about
    assert distil_embedder(tiny, 11).about.revision != static.about.revision


def test_odd_texts_have_vectors_too_and_batches_change_nothing(static: BundledEmbedder) -> None:
    embedder = static.open_embedder()
    vectors = embedder.embed_texts(["", "?!", "cut \ud83d", "lamp " * 100_000, *TEXTS])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embedder.embed_texts([]).shape == (0, 12)
    many = [TEXTS[place % len(TEXTS)] for place in range(BATCH * 2 + 5)]
    np.testing.assert_array_equal(embedder.embed_texts(many)[-1], embedder.embed_texts(many[-1:])[0])


def test_it_cannot_be_wider_than_its_source(tiny: SentenceTransformerEmbedder) -> None:
    with pytest.raises(EmbedderError, match="of width 32"):
        distil_embedder(tiny, 33)


def test_components_keep_distances_and_come_strongest_first() -> None:
    vectors = np.random.default_rng(4).normal(size=(50, 6)) * [1, 5, 2, 1, 3, 1]
    whole = pca(vectors, 6)
    distance = np.linalg.norm(vectors[3] - vectors[9])
    assert np.linalg.norm(whole[3] - whole[9]) == pytest.approx(distance)
    assert (np.diff(whole.var(axis=0)) < 0).all()
    np.testing.assert_allclose(whole.mean(axis=0), 0, atol=1e-12)


def test_a_frequent_token_counts_less() -> None:
    weights = zipf_weights(1000)
    assert (np.diff(weights) > 0).all()
    total = (1 / (np.arange(1000) + 2)).sum()
    assert weights[0] == pytest.approx(SIF / (SIF + 0.5 / total))


@pytest.mark.parametrize(
    ("name", "full", "parts"),
    [
        ("static:all-MiniLM-L6-v2", "static:sentence-transformers/all-MiniLM-L6-v2:256", ("all-MiniLM-L6-v2", 256)),
        ("static:a/b:64", "static:a/b:64", ("a/b", 64)),
    ],
)
def test_the_name_of_a_static_model(name: str, full: str, parts: tuple[str, int]) -> None:
    assert canonical_name(name) == full
    assert static_parts(name) == parts
    assert STATIC_DIM == 256


@pytest.mark.parametrize("name", ["static:a/b:wide", "static:a/b:0"])
def test_a_width_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(EmbedderError, match="width"):
        static_parts(name)


def test_a_static_model_is_not_loaded_by_name() -> None:
    with pytest.raises(EmbedderError, match="stored in its pack"):
        SentenceTransformerEmbedder("static:a/b:64")
