"""Pools of models on real benchmarks, every dataset held out from what auto learns."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.benchmark import Benchmark
from routing.calibration import CalibrationSettings, HeldOutDataset, RoutingSettings, hold_out_datasets
from routing.errors import BenchmarkError
from routing.evaluation.auto_folds import AutoFold, fit_auto_folds
from routing.evaluation.calibration_folds import CalibrationFolds
from routing.evaluation.evaluate import MAX_NEIGHBOURS, fit_for_evaluation
from routing.tidy import read_benchmark, read_embeddings


@dataclass(frozen=True, slots=True)
class Held:
    """One held-out dataset. Columns are auto's candidates, best on average elsewhere first.

    Attributes:
        outcomes: (n_inputs, n_candidates), for the judge, and for a learner where it asked for a label.
        vectors: (n_inputs, dim).
        near: (n_inputs, kappa), rows of `benchmark` nearest to each input.
        benchmark: (n_benchmark, n_models) outcomes elsewhere.
    """

    name: str
    auto: AutoFold
    outcomes: Floats
    vectors: Embeddings
    near: Ints
    benchmark: Floats


@dataclass(frozen=True, slots=True)
class Pool:
    """A benchmark's models, and its datasets, each held out."""

    name: str
    datasets: list[Held]


def pools(folder: Path) -> Iterator[Pool]:
    """Return the pools that folder/suite.json lists."""
    for listed in json.loads((folder / "suite.json").read_text())["pools"]:
        yield pool(folder / listed["benchmark"], listed["pool"], listed.get("max_params_b"))


def pool(folder: Path, name: str, max_params_b: float | None) -> Pool:
    """Prepare a pool. Takes a minute or two. Raises BenchmarkError."""
    whole = read_benchmark(folder)
    given = read_embeddings(folder, whole.n_inputs)
    if given is None:
        raise BenchmarkError(folder.name, ["it has no embeddings"])
    chosen = whole
    if name != "all" and max_params_b is None:
        chosen = whole.select_models(json.loads((folder / "pools.json").read_text())[name])
    benchmark, rows = fit_for_evaluation(chosen, max_params_b=max_params_b)
    vectors, routing = given.vectors[rows], RoutingSettings()
    found = list(hold_out_datasets(vectors, benchmark.dataset_ids, len(benchmark.datasets), MAX_NEIGHBOURS))
    folds = CalibrationFolds(vectors, [benchmark], found, routing, CalibrationSettings())
    made = fit_auto_folds(folds, benchmark, found, lambda done, total: None)
    held = [_held(benchmark, vectors, one, auto, routing.kappa) for one, auto in zip(found, made, strict=True)]
    return Pool(f"{folder.name}/{name}", held)


def _held(benchmark: Benchmark, vectors: Embeddings, one: HeldOutDataset, auto: AutoFold, kappa: int) -> Held:
    rows: Ints = one.rows
    return Held(
        benchmark.datasets[one.dataset].name,
        auto,
        benchmark.outcomes[np.ix_(rows, np.array(auto.columns))],
        vectors[rows],
        one.near[:, :kappa],
        benchmark.outcomes,
    )
