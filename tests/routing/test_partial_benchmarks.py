"""Benchmarks with gaps build and decide without a warning of numpy's: pytest turns every warning into an error."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.agreement import DecisionSample
from routing.arrays import Embeddings, Floats
from routing.auto.twins import find_twins
from routing.benchmark import Benchmark
from routing.build import build_pack
from routing.calibration import RoutingSettings
from routing.manifest import EmbedderId
from routing.pack import Pack
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import TaskState
from tests.routing.conftest import DIM

EMBEDDER = EmbedderId("tests/axes", "1", DIM)
NAN = np.nan

Change = Callable[[Floats], None]


def assign(rows: slice, columns: slice, value: float) -> Change:
    """A change of some outcomes to one value. The datasets are rows 0 to 39, 40 to 79, and so on."""

    def change(outcomes: Floats) -> None:
        outcomes[rows, columns] = value

    return change


ALL, FIRST = slice(None), slice(0, 40)
GAPS: dict[str, Change] = {
    "a dataset that a model was not measured on": assign(FIRST, slice(0, 1), NAN),
    "a dataset measured by one model": assign(FIRST, slice(1, None), NAN),
    "a dataset without any outcome": assign(FIRST, ALL, NAN),
    "a model measured on one dataset": assign(slice(40, None), slice(2, 3), NAN),
    "a model without any outcome": assign(ALL, slice(1, 2), NAN),
    "a model always right": assign(ALL, slice(3, 4), 1.0),
    "a model never right": assign(ALL, slice(3, 4), 0.0),
    "all models always right": assign(ALL, ALL, 1.0),
    "one outcome in all": assign(slice(1, None), ALL, NAN),
    "no outcome at all": assign(ALL, ALL, NAN),
}


def build(benchmark: Benchmark, vectors: Embeddings, outcomes: Floats) -> Pack:
    return build_pack(replace(benchmark, outcomes=outcomes), vectors, EMBEDDER)


def decide_all(pack: Pack, vectors: Embeddings) -> None:
    router = Router(pack)
    for count in (0, 1, len(vectors)):
        state = TaskState.from_evidence(router.find_evidence(vectors[:count]))
        for score in ScoreKind:
            scores = router.score_task(state, router.select_candidates(), score)
            assert router.make_decision(scores, score=score).model in pack.manifest.model_names


@pytest.mark.parametrize("gap", GAPS)
def test_gaps_warn_of_nothing(benchmark_: Benchmark, vectors: Embeddings, gap: str) -> None:
    outcomes = benchmark_.outcomes.copy()
    GAPS[gap](outcomes)
    pack = build(benchmark_, vectors, outcomes)
    decide_all(pack, vectors[::7])
    sample = DecisionSample(pack, RoutingSettings())
    agreement = sample.compare(pack.embeddings[sample.rows])
    assert agreement.share == 1.0


@pytest.mark.parametrize("rows", [slice(0, 1), slice(0, 2), slice(0, 40), slice(39, 41), slice(0, 160, 40)])
def test_few_inputs_warn_of_nothing(benchmark_: Benchmark, vectors: Embeddings, rows: slice) -> None:
    """One input, two, one dataset, datasets of one input each."""
    names, ids = np.unique(benchmark_.dataset_ids[rows], return_inverse=True)
    some = replace(
        benchmark_,
        texts=benchmark_.texts[rows],
        datasets=tuple(benchmark_.datasets[name] for name in names),
        dataset_ids=ids,
        outcomes=benchmark_.outcomes[rows],
    )
    decide_all(build_pack(some, vectors[rows], EMBEDDER), vectors[::7])


@pytest.mark.parametrize("columns", [slice(0, 1), slice(0, 2)])
def test_few_models_warn_of_nothing(benchmark_: Benchmark, vectors: Embeddings, columns: slice) -> None:
    decide_all(build_pack(benchmark_.select_models(benchmark_.model_names[columns]), vectors, EMBEDDER), vectors[::7])


def test_equal_inputs_warn_of_nothing(benchmark_: Benchmark, vectors: Embeddings) -> None:
    same = np.broadcast_to(vectors[:1], vectors.shape)
    decide_all(build_pack(benchmark_, np.array(same), EMBEDDER), vectors[::7])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1), is_blockwise=st.booleans())
def test_any_pattern_of_gaps_warns_of_nothing(
    benchmark_: Benchmark, vectors: Embeddings, seed: int, share: float, is_blockwise: bool
) -> None:
    """Cells missing at random, or whole datasets of a model."""
    draw = np.random.default_rng(seed)
    missing = draw.random((4, 4))[benchmark_.dataset_ids] if is_blockwise else draw.random(benchmark_.outcomes.shape)
    outcomes = np.where(missing < share, NAN, benchmark_.outcomes)
    decide_all(build(benchmark_, vectors, outcomes), vectors[::7])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.2, 0.9), n=st.sampled_from((0, 1, 9)))
def test_what_was_never_measured_wins_nothing(
    benchmark_: Benchmark, vectors: Embeddings, seed: int, share: float, n: int
) -> None:
    """A declared dataset chooses a model that was measured on it, and twins name such winners, where there are any."""
    missing = np.random.default_rng(seed).random((4, 4)) < share
    pack = build(benchmark_, vectors, np.where(missing[benchmark_.dataset_ids], NAN, benchmark_.outcomes))
    router, names = Router(pack), pack.manifest.model_names
    candidates, state = router.select_candidates(), TaskState.from_evidence(router.find_evidence(vectors[:n]))
    for place, dataset in enumerate(pack.manifest.datasets):
        scores = router.score_task(state, candidates, ScoreKind.AUTO, known_dataset=dataset.name)
        made = router.make_decision(scores, score=ScoreKind.AUTO)
        assert missing[place].all() or not missing[place, names.index(made.model)]
    for twins in find_twins(router.fit_auto(candidates)):
        for dataset_, winner in ((twins.first, twins.first_winner), (twins.second, twins.second_winner)):
            assert not missing[dataset_, names.index(candidates[winner])]
        assert not missing[twins.first, names.index(candidates[twins.second_winner])]
