"""From choices to the rows of a table: means over datasets, with 95 % bootstrap intervals over datasets."""

from collections.abc import Mapping, Sequence

import numpy as np

from routing.arrays import Floats
from routing.evaluation.results import SYSTEMS, FoldChoice, Interval, SystemRow

RESAMPLES = 2000


def aggregate_rows(
    benchmark: str, pool: str, predictor: str, choices: Sequence[FoldChoice], seed: int
) -> list[SystemRow]:
    """A row for every alpha and system, in the order of SYSTEMS. Repeats are averaged within a dataset first."""
    found: dict[tuple[float, str], list[FoldChoice]] = {}
    for choice in choices:
        found.setdefault((choice.alpha, choice.system), []).append(choice)
    order = sorted(found, key=lambda key: (key[0], SYSTEMS.index(key[1])))
    return [_row(benchmark, pool, predictor, found[key], seed) for key in order]


def _row(benchmark: str, pool: str, predictor: str, choices: Sequence[FoldChoice], seed: int) -> SystemRow:
    of_dataset: dict[str, list[FoldChoice]] = {}
    for choice in choices:
        of_dataset.setdefault(choice.dataset, []).append(choice)
    means = {
        name: np.array([np.mean([getattr(one, name) for one in group]) for group in of_dataset.values()])
        for name in ("accuracy", "bma", "best", "is_bma", "rank")
    }
    gain = means["accuracy"] - means["bma"]
    first = choices[0]
    return SystemRow(
        benchmark=benchmark,
        pool=pool,
        system=first.system,
        predictor=predictor,
        alpha=first.alpha,
        n_datasets=len(of_dataset),
        accuracy=float(means["accuracy"].mean()),
        accuracy_ci=bootstrap_interval(means["accuracy"], seed),
        gain_over_bma=float(gain.mean()),
        gain_ci=bootstrap_interval(gain, seed),
        ratio_to_best=float(np.mean(_ratio(means))),
        pearson=_mean([one.pearson for one in choices]),
        spearman=_mean([one.spearman for one in choices]),
        share_bma=float(means["is_bma"].mean()),
        params_b=_mean([one.params_b for one in choices]),
        price=_mean([one.price for one in choices]),
        rank=float(means["rank"].mean()),
    )


def bootstrap_interval(values: Floats, seed: int) -> Interval:
    """The percentile bootstrap's 95 % interval of a mean over datasets. values: (n_datasets,)"""
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _ratio(means: Mapping[str, Floats]) -> Floats:
    best = means["best"]
    return np.asarray(np.divide(means["accuracy"], best, out=np.ones(len(best)), where=best > 0))


def _mean(values: Sequence[float | None]) -> float | None:
    """Over what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
