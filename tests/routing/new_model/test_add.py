"""One more model in a pack: as if it had been built with it, and told to be estimated where it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from routing.arrays import Embeddings, Floats
from routing.benchmark import Benchmark, Model
from routing.build import build_pack
from routing.errors import BenchmarkError, PackCorrupted, PackMismatch
from routing.manifest import EmbedderId, read_manifest
from routing.new_model.add import MIN_MEASURED, NewModelOutcomes, add_model, pack_factors
from routing.new_model.select_inputs import select_inputs
from routing.pack import ESTIMATES, Pack, open_pack, save_pack
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import TaskState
from tests.routing.conftest import DIM

NEW = Model("new", 3.0, 0.1, 0.2)
EMBEDDER = EmbedderId("tests/axes", "1", DIM)


@pytest.fixture(scope="module")
def new(benchmark_: Benchmark) -> Floats:
    """Better than `broad` on a1 and a2, useless on the others."""
    chance = np.array([0.95, 0.95, 0.05, 0.05])[benchmark_.dataset_ids]
    return (np.random.default_rng(11).random(len(chance)) < chance).astype(np.float64)


@pytest.fixture(scope="module")
def pack(benchmark_: Benchmark, vectors: Embeddings) -> Pack:
    made = build_pack(replace(benchmark_, input_ids=tuple(f"i{row}" for row in range(160))), vectors, EMBEDDER)
    return replace(made, manifest=made.manifest.with_content_hash())


def measured(rows: object, new: Floats) -> NewModelOutcomes:
    places = np.array(rows, dtype=np.int64)
    return NewModelOutcomes(NEW, places, new[places])


def test_a_whole_column_gives_the_pack_that_would_have_been_built(
    pack: Pack, benchmark_: Benchmark, vectors: Embeddings, new: Floats
) -> None:
    grown = add_model(pack, measured(np.arange(160), new))
    whole = replace(benchmark_, models=(*benchmark_.models, NEW), outcomes=np.column_stack([benchmark_.outcomes, new]))
    built = build_pack(whole, vectors, EMBEDDER)
    np.testing.assert_allclose(grown.calibration.accuracies, built.calibration.accuracies)
    assert grown.training_data is not None
    assert built.training_data is not None
    for name in ("averages", "near", "within", "sampling"):
        np.testing.assert_allclose(getattr(grown.training_data, name), getattr(built.training_data, name), atol=1e-12)
    assert grown.report["accuracy"] == pytest.approx(built.report["accuracy"])
    assert grown.manifest.on_average == built.manifest.on_average
    assert grown.manifest.models == built.manifest.models
    assert grown.estimates is None
    assert grown.manifest.added[0].standard_error is None
    assert grown.embeddings is pack.embeddings
    assert grown.index is pack.index


def test_a_part_is_told_to_be_estimated_and_outlives_the_disk(
    pack: Pack, new: Floats, vectors: Embeddings, tmp_path: Path
) -> None:
    rows = select_inputs(pack_factors(pack), 40)
    grown = add_model(pack, measured(rows, new))
    assert np.isnan(grown.outcomes[:, -1]).sum() == 120
    sealed = save_pack(grown, tmp_path / "grown")
    again = open_pack(tmp_path / "grown", EMBEDDER)
    assert again.manifest == sealed == read_manifest(tmp_path / "grown")
    told = again.manifest.added[0]
    assert (told.model, told.parent, told.n_measured) == ("new", pack.manifest.hash, 40)
    assert again.manifest.find_estimated("new") == told
    assert again.manifest.find_estimated("broad") is None
    assert told.standard_error is not None
    average = again.manifest.models[-1].average
    assert average is not None
    assert abs(average - new.mean()) < 3 * told.standard_error
    np.testing.assert_array_equal(again.filled_outcomes(), grown.filled_outcomes())
    assert not np.isnan(again.filled_outcomes()[:, -1]).any()
    np.testing.assert_array_equal(again.filled_outcomes()[rows, -1], new[rows])
    assert again.expected_outcomes()[:, -1].mean() == pytest.approx(average)
    router = Router(again)
    state = TaskState.from_evidence(router.find_evidence(vectors[:30]))
    scores = router.score_task(state, router.select_candidates(), ScoreKind.AUTO)
    assert "new" in scores.models
    assert not np.isnan(scores.s3).any()


def test_the_hash_of_a_pack_without_additions_is_what_it_was(pack: Pack) -> None:
    assert '"added"' not in pack.manifest.to_json()


def test_models_can_be_added_one_after_the_other(pack: Pack, new: Floats, tmp_path: Path) -> None:
    rows = np.arange(0, 160, 3)
    first = add_model(pack, measured(rows, new))
    first = replace(first, manifest=first.manifest.with_content_hash())
    second = add_model(first, NewModelOutcomes(Model("newer"), rows, 1 - new[rows]))
    assert [one.model for one in second.manifest.added] == ["new", "newer"]
    assert second.manifest.added[1].parent == first.manifest.hash
    assert second.estimates is not None
    assert second.estimates.columns.tolist() == [4, 5]
    save_pack(second, tmp_path / "second.tar")
    assert open_pack(tmp_path / "second.tar").manifest.model_names[-2:] == ("new", "newer")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda new: NewModelOutcomes(Model("broad"), np.arange(40), new[:40]), "already has a model 'broad'"),
        (lambda new: measured(np.arange(MIN_MEASURED - 1), new), "at least 20 are required"),
        (lambda new: measured([], new), "0 inputs have an outcome"),
        (lambda new: NewModelOutcomes(NEW, np.arange(30), np.full(30, 1.5)), "input 1: outcome 1.5 is outside"),
        (lambda new: measured([*range(30), 3], new), "an input has two outcomes"),
    ],
)
def test_what_cannot_be_added_is_refused(pack: Pack, new: Floats, given: object, told: str) -> None:
    assert callable(given)
    with pytest.raises(BenchmarkError, match=told):
        add_model(pack, given(new))


def test_a_pack_whose_pairs_are_not_found_again_is_refused(pack: Pack, new: Floats) -> None:
    other = replace(pack.manifest, calibration={**pack.manifest.calibration, "seed": 9})
    with pytest.raises(PackMismatch, match="rebuild the pack"):
        add_model(replace(pack, manifest=other), measured(np.arange(160), new))


def test_estimates_that_were_altered_or_do_not_fit_are_refused(pack: Pack, new: Floats, tmp_path: Path) -> None:
    grown = add_model(pack, measured(np.arange(40), new))
    assert grown.estimates is not None
    save_pack(replace(grown, estimates=replace(grown.estimates, filled=grown.estimates.filled[:9])), tmp_path / "short")
    with pytest.raises(PackMismatch, match=ESTIMATES):
        open_pack(tmp_path / "short")
    assert pack.input_index is not None
    few = replace(pack.input_index, digests=pack.input_index.digests[:9])
    save_pack(replace(pack, input_index=few), tmp_path / "few")
    with pytest.raises(PackMismatch, match="has 9 inputs"):
        open_pack(tmp_path / "few")
    save_pack(grown, tmp_path / "whole")
    (tmp_path / "whole" / ESTIMATES).write_bytes(b"")
    with pytest.raises(PackCorrupted, match=ESTIMATES):
        open_pack(tmp_path / "whole")
