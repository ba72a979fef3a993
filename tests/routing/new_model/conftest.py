"""Models of one and two skills on inputs of known difficulty: what is estimated can be compared with what is true."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from routing.arrays import Floats, Ints
from routing.new_model.factors import KnownModels

N_DATASETS, PER_DATASET, N_MODELS = 6, 150, 20


@dataclass(frozen=True)
class World:
    """outcomes: (n_inputs, n_models); the last model is the new one."""

    outcomes: Floats
    ids: Ints
    ease: Floats

    @property
    def known(self) -> KnownModels:
        return KnownModels.from_outcomes(self.outcomes[:, :-1], self.ids, N_DATASETS)

    @property
    def new(self) -> Floats:
        return np.asarray(self.outcomes[:, -1])

    @property
    def averages(self) -> Floats:
        return np.array([self.new[self.ids == dataset].mean() for dataset in range(N_DATASETS)])


def world(seed: int, new_skill: float = 0.8, sizes: Sequence[int] = (PER_DATASET,) * N_DATASETS) -> World:
    """The last model's skill is given; the others' are drawn. Half the datasets ask for a second skill."""
    draw = np.random.default_rng(seed)
    ids = np.repeat(np.arange(N_DATASETS), sizes)
    ease = draw.normal(0, 1.5, len(ids))
    skill, second = draw.normal(0, 1, N_MODELS + 1), draw.normal(0, 1, N_MODELS + 1)
    skill[-1] = new_skill
    logits = ease[:, None] + skill + np.where(ids[:, None] < N_DATASETS // 2, second, 0.0)
    return World((draw.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float64), ids, ease)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    return [world(seed, skill) for seed, skill in enumerate(np.linspace(-1.2, 1.2, 8))]
