"""A transformer carried in a pack: the vectors of its source, on onnxruntime, in floats and in bytes."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from routing.arrays import unit_rows
from routing.embedder import SentenceTransformerEmbedder
from routing.embedders.bundled import MODEL, BundledEmbedder, read_bundle_info
from routing.embedders.distil import distil_embedder
from routing.embedders.export import (
    MIN_RECALL,
    bundle_transformer,
    export_transformer,
    neighbour_recall,
    sample_places,
)
from routing.embedders.int8_matmul import ActivationStats, round_weights
from routing.embedders.onnx import BATCH_TOKENS, OnnxEmbedder, batch_by_length, pad
from tests.routing.embedders.conftest import TEXTS


@pytest.fixture(scope="module")
def floats(tiny: SentenceTransformerEmbedder) -> OnnxEmbedder:
    made = export_transformer(tiny)
    return OnnxEmbedder(tiny.name, tiny.revision, tiny.dim, made.max_tokens, made.model, made.tokenizer)


@pytest.fixture(scope="module")
def carried(tiny: SentenceTransformerEmbedder) -> BundledEmbedder:
    return bundle_transformer(tiny, TEXTS, tiny.embed_texts(TEXTS), least_kept=0.0)


def test_the_export_gives_the_vectors_of_its_source(tiny: SentenceTransformerEmbedder, floats: OnnxEmbedder) -> None:
    texts = [*TEXTS, "", "no word of these", " ".join(TEXTS), "cut \ud83d"]
    np.testing.assert_allclose(floats.embed_texts(texts), tiny.embed_texts(texts), atol=2e-6)
    assert floats.embed_texts([]).shape == (0, tiny.dim)
    assert (floats.name, floats.revision, floats.dim) == (tiny.name, tiny.revision, tiny.dim)


def test_what_is_carried_does_not_depend_on_what_was_embedded_before(tiny: SentenceTransformerEmbedder) -> None:
    made = []
    for texts in (["one"], ["a text of more words", "another"], ["word " * 50]):
        tiny.embed_texts(texts)
        again = export_transformer(tiny)
        made.append((again.model, again.tokenizer, distil_embedder(tiny, 12).about.revision))
    assert all(one == made[0] for one in made)


def test_bytes_give_nearly_the_same_vectors_and_say_how_nearly(
    tiny: SentenceTransformerEmbedder, carried: BundledEmbedder
) -> None:
    assert (carried.about.kind, carried.about.precision) == ("onnx", "int8")
    again, vectors = carried.open_embedder().embed_texts(TEXTS), tiny.embed_texts(TEXTS)
    assert carried.about.kept == round(neighbour_recall(again, sample_places(len(TEXTS), 300), vectors), 4)
    assert read_bundle_info(carried.files) == carried.about
    if not sums_of_bytes_saturate():
        assert carried.about.kept > 0.8
        assert (again * vectors).sum(axis=1).min() > 0.995


def test_what_a_pack_carries_keeps_its_neighbours_on_every_processor(tiny: SentenceTransformerEmbedder) -> None:
    vectors = tiny.embed_texts(TEXTS)
    made = bundle_transformer(tiny, TEXTS, vectors)
    again = made.open_embedder().embed_texts(TEXTS)
    assert neighbour_recall(again, sample_places(len(TEXTS), 300), vectors) >= MIN_RECALL
    assert (again * vectors).sum(axis=1).min() > 0.995


def sums_of_bytes_saturate() -> bool:
    """Return whether this processor adds two products of bytes in 16 bits, as x86 without VNNI does."""
    rows = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 4])
    product = helper.make_tensor_value_info("y", TensorProto.INT32, [1, 1])
    weights = helper.make_tensor("w", TensorProto.INT8, [4, 1], [127] * 4)
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["x", "w"], ["y"])], "g", [rows], [product], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (found,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": np.full((1, 4), 255, np.uint8)})
    return bool(found[0, 0] != 4 * 255 * 127)


def test_in_bytes_too_a_text_has_the_same_vector_in_any_batch(carried: BundledEmbedder) -> None:
    embedder = carried.open_embedder()
    alone = np.concatenate([embedder.embed_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(embedder.embed_texts(TEXTS), alone, atol=1e-5)


def test_floats_are_taken_where_bytes_lose_neighbours(tiny: SentenceTransformerEmbedder) -> None:
    made = bundle_transformer(tiny, TEXTS, tiny.embed_texts(TEXTS), least_kept=1.1)
    assert (made.about.precision, made.about.kept) == ("fp32", None)
    np.testing.assert_allclose(made.open_embedder().embed_texts(TEXTS), tiny.embed_texts(TEXTS), atol=2e-6)


def test_bytes_take_less_room(tiny: SentenceTransformerEmbedder, carried: BundledEmbedder) -> None:
    weights = sum(tensor.numel() for tensor in tiny.model.state_dict().values())
    assert len(carried.files[MODEL]) < 4 * weights * 3  # a graph so small is mostly names


@pytest.mark.parametrize("lengths", [[], [5], [300, 1, 1024, 7, 7, 2000], list(range(1, 200))])
def test_batches_take_every_text_once_and_keep_within_the_limit(lengths: list[int]) -> None:
    made = list(batch_by_length(lengths))
    assert sorted(place for batch in made for place in batch) == list(range(len(lengths)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= BATCH_TOKENS
    tokens, mask = pad([[5, 6], [7]])
    assert (tokens.tolist(), mask.tolist()) == ([[5, 6], [7, 0]], [[1, 1], [1, 0]])


def test_neighbours_kept_counts_what_both_find() -> None:
    draw = np.random.default_rng(1)
    vectors = unit_rows(draw.normal(size=(60, 8)))
    rows = sample_places(60, 20)
    assert neighbour_recall(vectors[rows], rows, vectors) == 1.0
    other = unit_rows(draw.normal(size=(20, 8)))
    assert neighbour_recall(other, rows, vectors) == pytest.approx(19 / 59, abs=0.15)
    assert neighbour_recall(vectors[:1], np.array([0]), vectors[:1]) == 1.0
    assert list(sample_places(3, 10)) == [0, 1, 2]


def test_weights_are_rounded_by_less_than_half_a_step() -> None:
    weights = np.random.default_rng(2).normal(size=(40, 7))
    weights[:, 3] = 0
    whole, scales = round_weights(weights)
    assert np.abs(whole * scales - weights).max() <= scales.max() / 2 + 1e-12
    assert np.abs(whole).max() == 127


def test_only_a_tail_below_zero_is_shifted() -> None:
    assert ActivationStats(np.ones(2), np.ones(2), 1, -0.17).zero_shift == 0.17
    assert ActivationStats(np.ones(2), np.ones(2), 1, -3.0).zero_shift == 0.0
    both = ActivationStats(np.array([1.0, 5.0]), np.array([2.0, 4.0]), 2, -0.1) + ActivationStats(
        np.array([3.0, 1.0]), np.array([1.0, -1.0]), 1, -2.0
    )
    assert (both.columns.tolist(), both.column_means.tolist(), both.lowest) == ([3.0, 5.0], [1.0, 1.0], -2.0)
