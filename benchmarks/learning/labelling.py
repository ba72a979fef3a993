"""Labels on random inputs against labels on suggested inputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.learning.pools import Held, Pool
from routing.arrays import Floats, Ints
from routing.auto.suggest import suggest_labels
from routing.predictor import predict_outcomes

ALPHAS = (0.02, 0.05, 0.1, 0.3)
CAP = 50
KEPT = 256
"""Inputs of a task whose texts a gateway keeps."""

Draw = Callable[[Held, Floats, Ints, int, np.random.Generator], Ints]
"""A dataset, g of its inputs, those that can be labelled, how many, and chance: those that are."""


def choose_random(held: Held, expected: Floats, kept: Ints, n: int, generator: np.random.Generator) -> Ints:
    """Choose random inputs."""
    return generator.choice(kept, size=n, replace=False)


def choose_suggested(held: Held, expected: Floats, kept: Ints, n: int, generator: np.random.Generator) -> Ints:
    """Choose the inputs that a gateway suggests, all at once."""
    return kept[list(suggest_labels(held.auto.prior, expected[kept], held.vectors[kept], n).rows)]


WAYS: Mapping[str, tuple[Draw, float]] = {
    "random": (choose_random, 1.0),
    "random, half": (choose_random, 0.5),
    "suggested": (choose_suggested, 1.0),
    "suggested, half": (choose_suggested, 0.5),
}
"""How inputs are chosen, and which part of alpha."""


@dataclass(frozen=True, slots=True)
class Gains:
    """Gains of one pool.

    Attributes:
        gains: (n_datasets, n_alphas, n_ways), accuracy above the best model on average, mean over repeats.
        prior: (n_datasets,), the same without labels.
    """

    pool: str
    gains: Floats
    prior: Floats


def measure_pool(pool: Pool, repeats: int) -> Gains:
    """Measure a pool. Every dataset is halved: one half may be labelled, at most KEPT inputs; the other half judges."""
    found = [[_repeat(held, place, repeat) for repeat in range(repeats)] for place, held in enumerate(pool.datasets)]
    gains = np.array([[gain for gain, _ in some] for some in found]).mean(axis=1)
    prior = np.array([[prior for _, prior in some] for some in found]).mean(axis=1)
    return Gains(pool.name, gains, prior)


def _repeat(held: Held, place: int, repeat: int) -> tuple[Floats, float]:
    n = len(held.outcomes)
    order = np.random.default_rng([1, place, repeat]).permutation(n)
    kept, judges = order[: min(n // 2, KEPT)], order[n // 2 :]
    accuracy = np.nanmean(held.outcomes[judges], axis=0) - np.nanmean(held.outcomes[judges, 0])
    expected = predict_outcomes(held.benchmark, held.near)[:, held.auto.columns]
    gains = np.empty((len(ALPHAS), len(WAYS)))
    for row, alpha in enumerate(ALPHAS):
        for column, (draw, part) in enumerate(WAYS.values()):
            count = max(1, int(part * max(1, min(int(alpha * n), CAP, len(kept)))))
            labelled = draw(held, expected, kept, count, np.random.default_rng([2, place, repeat, row, column]))
            outcomes = np.full((count, held.benchmark.shape[1]), np.nan)
            outcomes[:, held.auto.columns] = held.outcomes[labelled]
            gains[row, column] = accuracy[held.auto.condition_on(outcomes).mean.argmax()]
    return gains, float(accuracy[held.auto.prior.mean.argmax()])


def to_markdown(found: list[Gains], draws: int = 5000) -> str:
    """Return Markdown in points: means over pools, and the 95 % interval of half the labels against all at random."""
    lines = [f"| labels | {' | '.join(WAYS)} | half, suggested, less all at random |", "|" + "---|" * (len(WAYS) + 2)]
    for row, alpha in enumerate(ALPHAS):
        means = np.mean([one.gains[:, row].mean(axis=0) for one in found], axis=0)
        cells = " | ".join(f"{100 * mean:+.2f}" for mean in means)
        apart = [one.gains[:, row, 3] - one.gains[:, row, 0] for one in found]
        low, high = np.percentile(bootstrap_means(apart, draws), [2.5, 97.5])
        lines.append(
            f"| {alpha:g} | {cells} | {100 * (means[3] - means[0]):+.2f} ({100 * low:+.2f} to {100 * high:+.2f}) |"
        )
    return "\n".join(lines)


def bootstrap_means(apart: list[Floats], draws: int) -> Floats:
    """Return draws, (draws,), of the mean over pools of the mean over datasets. apart: of each pool, (n_datasets,)."""
    generator = np.random.default_rng(3)
    means = [some[generator.integers(0, len(some), (draws, len(some)))].mean(axis=1) for some in apart]
    return np.asarray(np.mean(means, axis=0))
