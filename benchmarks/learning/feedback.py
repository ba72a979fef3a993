"""Gain from scores of single responses, by the share of requests that is explored.

A task has five of the pool's models as candidates. Its inputs come in random order, and every response is scored by its
outcome; each task's clients are lenient or strict, and answer at random in up to a fifth of cases. The model changes by
eta, as a live task's does.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.learning.pools import Held, Pool
from routing.arrays import Floats
from routing.auto.feedback import Feedback
from routing.auto.posterior import AccuracyPosterior

SHARES = (0.0, 0.02, 0.1)
ANSWERS = (0, 100, 300, 1000, 3000)
CANDIDATES = 5
LENIENCY = 0.2
ETA = 0.6
EVERY = 50
"""Answers between decisions: a gateway decides after each."""


@dataclass(frozen=True, slots=True)
class Gained:
    """Gains of one pool.

    Attributes:
        gains: (n_datasets, n_shares, n_answers + 1), accuracy above the candidates' best on average, mean over repeats:
            of the task's model after so many responses; last, of all responses served.
    """

    pool: str
    gains: Floats


def measure_pool(pool: Pool, repeats: int) -> Gained:
    """Measure a pool. Takes minutes."""
    found = [
        [[_live(held, share, [4, place, repeat]) for share in SHARES] for repeat in range(repeats)]
        for place, held in enumerate(pool.datasets)
    ]
    return Gained(pool.name, np.array(found).mean(axis=1))


def _live(held: Held, share: float, seed: list[int]) -> Floats:
    draw = np.random.default_rng(seed)
    columns = np.sort(draw.choice(held.outcomes.shape[1], CANDIDATES, replace=False))
    outcomes, prior = np.nan_to_num(held.outcomes[:, columns]), held.auto.prior
    across = np.ix_(columns, columns)
    prior = AccuracyPosterior(prior.mean[columns], prior.covariance[across], prior.within[across])
    gains = outcomes.mean(axis=0) - outcomes[:, 0].mean()
    lenient, current, version = draw.uniform(-LENIENCY, LENIENCY), int(prior.mean.argmax()), 1
    log = np.empty((ANSWERS[-1], 4))  # model, score, propensity, version
    told = [gains[current]]
    for start in range(0, ANSWERS[-1], EVERY):
        now = slice(start, start + EVERY)
        explores = draw.random(EVERY) < share
        models = np.where(explores, (current + draw.integers(1, CANDIDATES, EVERY)) % CANDIDATES, current)
        scores = outcomes[draw.integers(0, len(outcomes), EVERY), models]
        scores = np.where(draw.random(EVERY) < abs(lenient), float(lenient > 0), scores)
        chances = np.where(explores, share / (CANDIDATES - 1), 1 - share)
        log[now] = np.column_stack([models, scores, chances, np.full(EVERY, version)])
        seen = log[: now.stop]
        after = prior.condition_on(
            feedback=Feedback.from_ratings(seen[:, 0].astype(int), seen[:, 1], seen[:, 2], seen[:, 3].tolist())
        )
        best = int(after.mean.argmax())
        if best != current and after.probability_better(best, current) > ETA:
            current, version = best, version + 1
        if now.stop in ANSWERS:
            told.append(gains[current])
    return np.array([*told, gains[log[:, 0].astype(int)].mean()])


def to_markdown(found: list[Gained]) -> str:
    """Return a Markdown table in points, the mean over pools."""
    lines = [f"| exploration | {' | '.join(f'{n} answers' for n in ANSWERS)} | all served |", "|" + "---|" * 7]
    means = np.mean([one.gains.mean(axis=0) for one in found], axis=0)
    for share, row in zip(SHARES, means, strict=True):
        lines.append(f"| {share:g} | {' | '.join(f'{100 * gain:+.2f}' for gain in row)} |")
    return "\n".join(lines)
