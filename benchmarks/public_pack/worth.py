"""What public evidence is worth: every source held out, and its datasets routed by the other sources alone.

A stranger's traffic resembles none of the pack's datasets, as a held-out source does; a held-out dataset still has
its siblings in the pack, and flatters. Decisions are the product's, except that the index is exact.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from routing.arrays import Embeddings, Floats
from routing.benchmark import Benchmark
from routing.calibration import CalibrationSettings, RoutingSettings
from routing.evaluation.regimes.grading import TaskTruth
from routing.evaluation.regimes.reference import Part, build_part
from routing.task import TaskState

TEAMS = Path(__file__).with_name("teams.toml")
SYSTEMS = ("S3", "auto")
N_INPUTS = 32
"""Inputs that a task shows before it is graded."""
DRAWS = 4
MIN_INPUTS = 10
RESAMPLES = 4000


@dataclass(frozen=True, slots=True)
class Team:
    """A set of models. models: name to (input, output) prices in USD per million tokens, the file's first first."""

    name: str
    title: str
    models: Mapping[str, Sequence[float]]

    def price_of(self, model: str) -> float:
        """Return the price of a call with three input tokens to each output token, USD per million tokens."""
        given, made = self.models[model]
        return 0.75 * given + 0.25 * made


@dataclass(frozen=True, slots=True)
class JudgedChoice:
    """One dataset of a held-out source.

    Attributes:
        accuracy: by system, in percent; `average`, `first` and `dearest` are the models that look at no input, `best`
            is known only afterwards.
        price: of the chosen models, likewise.
    """

    source: str
    dataset: str
    accuracy: Mapping[str, float]
    price: Mapping[str, float]


def list_teams(path: Path = TEAMS) -> list[Team]:
    """Return the entries of teams.toml."""
    document: Mapping[str, Mapping[str, Any]] = tomllib.loads(path.read_text())["teams"]
    return [Team(name, **entry) for name, entry in document.items()]


def judge_team(team: Team, benchmark: Benchmark, vectors: Embeddings) -> Iterator[JudgedChoice]:
    """Yield every dataset that at least two of the team's models were measured on, its whole source held out.

    benchmark, vectors: of all sources, (n_inputs, dim).
    """
    own = benchmark.select_models(list(team.models))
    for source in dict.fromkeys(dataset.source for dataset in own.datasets):
        part = _other_sources(own, vectors, source)
        if part is None:
            continue
        for place, dataset in enumerate(own.datasets):
            rows = np.flatnonzero(own.dataset_ids == place)
            if dataset.source == source and len(rows) >= MIN_INPUTS:
                yield from _judge(team, part, dataset.name, source, own.outcomes[rows], vectors[rows])


def _other_sources(own: Benchmark, vectors: Embeddings, source: str) -> Part | None:
    """Return what a pack without the source holds; None where fewer than two of the models were measured in it."""
    counts = own.outcome_counts()
    out = [
        dataset.name
        for dataset, count in zip(own.datasets, counts, strict=True)
        if dataset.source == source or not count.any()
    ]
    if len(own.datasets) - len(out) < 2:
        return None
    rest, rows = own.without_datasets(out)
    known = (~np.isnan(rest.outcomes)).any(axis=0)
    if known.sum() < 2:
        return None
    return build_part(rest, vectors[rows], np.arange(len(rows)), RoutingSettings(), CalibrationSettings())


def _judge(
    team: Team, part: Part, dataset: str, source: str, outcomes: Floats, vectors: Embeddings
) -> Iterator[JudgedChoice]:
    reference = part.reference
    truth = TaskTruth.from_outcomes(reference.names, outcomes, reference.columns)
    if not truth.is_gradable:
        return
    names = [reference.names[column] for column in truth.order]
    fixed = {
        "average": reference.names[truth.best_on_average],
        "first": next(name for name in team.models if name in names),
        "dearest": max(names, key=team.price_of),
        "best": reference.names[truth.best],
    }
    chosen: dict[str, list[str]] = {system: [model] for system, model in fixed.items()}
    evidence = part.find_evidence(vectors)
    random = np.random.default_rng((len(dataset), len(vectors)))
    for _ in range(DRAWS):
        rows = random.permutation(len(vectors))[:N_INPUTS]
        decided = reference.decide(reference.score_state(TaskState.from_evidence(evidence.select_rows(rows))))
        for system in SYSTEMS:
            column = truth.first_measured(decided[system].ranking)
            chosen.setdefault(system, []).append(reference.names[column])
    accuracies = dict(zip(reference.names, truth.accuracy, strict=True))
    yield JudgedChoice(
        source,
        dataset,
        {system: 100 * float(np.mean([accuracies[name] for name in some])) for system, some in chosen.items()},
        {system: float(np.mean([team.price_of(name) for name in some])) for system, some in chosen.items()},
    )


def mean_gain(judged: Sequence[JudgedChoice], system: str, baseline: str) -> tuple[float, float, float]:
    """Return the mean gain of a system over a baseline in points, and its 95 % interval, datasets resampled."""
    gains = np.array([one.accuracy[system] - one.accuracy[baseline] for one in judged])
    drawn = np.random.default_rng(0).integers(len(gains), size=(RESAMPLES, len(gains)))
    low, high = np.quantile(gains[drawn].mean(axis=1), (0.025, 0.975))
    return float(gains.mean()), float(low), float(high)
