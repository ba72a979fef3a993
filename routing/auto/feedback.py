"""What clients' scores of single answers say: evidence about the chosen model alone, and weighed as such.

    score(m, x) = F[m] + b + d_s + e,   b ~ N(0, LEVEL^2),  d_s ~ N(0, DRIFT^2),  e ~ N(0, at most 1/4)

b is how this task's clients score, and how hard the task is, beyond what was expected; d_s the same for one stratum s.
A stratum is a set of answers among which chance alone decided the model (one decision, one set of candidates, one share
of exploration): only there do two models share how hard their inputs were. An answer in which chance had no part (no
exploration; a session, a model that the request named, another one's failure) is in a stratum with its model alone.

So without exploration next to nothing is learnt of rivals, and of the chosen model only what b and d_s leave: what is
heard of its level has a variance of LEVEL^2 + DRIFT^2 at least, however many answers are scored. With exploration the
difference of two models in a stratum is free of b and d_s, and as sure as the rarer one's answers allow.

| what                                           | here      | shape                          |
|------------------------------------------------|-----------|--------------------------------|
| mean of y/pi over that of 1/pi (self-normalised) | means     | of a stratum's models          |
| (sum 1/pi)^2 / sum 1/pi^2 (Kish)               | effective | the same                       |
| precision, precision times mean, b and d_s out | Weighed   | (n_candidates, n_candidates), (n_candidates,) |
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Floats, Ints

LEVEL = 0.3
"""Of b: about as wide as scores in [0, 1] can be off as a whole."""
DRIFT = 0.1
"""Of d_s: inputs change from one week to the next, and differ between those who name a model and those who do not."""
MAX_NOISE = 0.25
"""The variance of a score in [0, 1] is at most 1/4 (Popoviciu), whatever clients mean by theirs."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Answers among which chance decided. models: columns, each once, rising. means, effective: of each, see above.

    counts: answers of each.
    """

    models: tuple[int, ...]
    means: Floats
    effective: Floats
    counts: Ints


@dataclass(frozen=True, slots=True)
class Feedback:
    """Scored answers of one task, summed up."""

    strata: tuple[Stratum, ...]

    @classmethod
    def from_ratings(cls, models: Ints, scores: Floats, propensities: Floats, strata: Sequence[object]) -> "Feedback":
        """All (n_answers,). models: columns. scores: in [0, 1]. propensities: in (0, 1], NaN where chance had no part.

        strata: equal among the answers of one. The order of answers makes no difference but rounding. Raises ValueError
        for a propensity that is none.
        """
        if (propensities <= 0).any() or (propensities > 1).any():
            raise ValueError("a propensity is not in (0, 1]")
        alone = np.isnan(propensities) | (propensities == 1)
        places = [
            (repr(at), int(model) if apart else -1) for at, model, apart in zip(strata, models, alone, strict=True)
        ]
        weights = np.where(alone, 1.0, 1.0 / np.where(alone, 1.0, propensities))
        found: dict[tuple[str, int], list[int]] = {}
        for row, place in enumerate(places):
            found.setdefault(place, []).append(row)
        return cls(tuple(_stratum(models[rows], scores[rows], weights[rows]) for _, rows in sorted(found.items())))

    def restrict_to(self, columns: Sequence[int]) -> "Feedback":
        """Of some models alone, whose columns are their places from now on."""
        places = {column: place for place, column in enumerate(columns)}
        kept = (_picked(stratum, places) for stratum in self.strata)
        return Feedback(tuple(stratum for stratum in kept if stratum.models))

    @property
    def n(self) -> int:
        """How many answers."""
        return int(sum(stratum.counts.sum() for stratum in self.strata))

    def for_model(self, column: int) -> tuple[int, float | None]:
        """How many answers of a model were scored, and their plain mean; None without any."""
        found = [
            (int(stratum.counts[place]), float(stratum.means[place]))
            for stratum in self.strata
            for place, model in enumerate(stratum.models)
            if model == column
        ]
        n = sum(count for count, _ in found)
        return n, sum(count * mean for count, mean in found) / n if n else None

    def to_likelihood(self, n_candidates: int) -> "FeedbackLikelihood":
        """What it says of the candidates' accuracies, b and every d_s integrated out."""
        n = n_candidates + 1  # the last place is b's
        precision, shift = np.zeros((n, n)), np.zeros(n)
        precision[-1, -1] = 1 / LEVEL**2
        for stratum in self.strata:
            each = stratum.effective / MAX_NOISE
            joint = np.diag(each) - np.outer(each, each) / (1 / DRIFT**2 + each.sum())
            models = list(stratum.models)
            precision[np.ix_(models, models)] += joint
            precision[models, -1] += joint.sum(axis=1)
            precision[-1, models] += joint.sum(axis=0)
            precision[-1, -1] += joint.sum()
            shift[models] += joint @ stratum.means
            shift[-1] += float((joint @ stratum.means).sum())
        across, own = precision[:-1, -1], precision[-1, -1]
        return FeedbackLikelihood(
            precision=np.asarray(precision[:-1, :-1] - np.outer(across, across) / own),
            shift=np.asarray(shift[:-1] - across * shift[-1] / own),
        )


@dataclass(frozen=True, slots=True)
class FeedbackLikelihood:
    """A Gaussian likelihood of the candidates' accuracies F: exp(shift'F - F' precision F / 2), up to a constant.

    precision: (n_candidates, n_candidates), not invertible where little is known. shift: (n_candidates,).
    """

    precision: Floats
    shift: Floats

    def update_gaussian(self, mean: Floats, covariance: Floats) -> tuple[Floats, Floats, float]:
        """Mean and covariance of N(mean, covariance) after it, and its log-likelihood, up to the same constant."""
        spread = np.eye(len(mean)) + covariance @ self.precision
        after = np.linalg.solve(spread, covariance)
        after = (after + after.T) / 2
        off = self.shift - self.precision @ mean
        likelihood = -0.5 * float(np.linalg.slogdet(spread)[1]) + 0.5 * float(off @ after @ off)
        likelihood += float(self.shift @ mean) - 0.5 * float(mean @ self.precision @ mean)
        return np.asarray(mean + after @ off), np.asarray(after), likelihood


def _stratum(models: Ints, scores: Floats, weights: Floats) -> Stratum:
    columns = np.unique(models)
    of = [np.flatnonzero(models == column) for column in columns]
    totals = np.array([weights[rows].sum() for rows in of])
    return Stratum(
        models=tuple(int(column) for column in columns),
        means=np.array([weights[rows] @ scores[rows] for rows in of]) / totals,
        effective=totals**2 / np.array([weights[rows] @ weights[rows] for rows in of]),
        counts=np.array([len(rows) for rows in of]),
    )


def _picked(stratum: Stratum, places: dict[int, int]) -> Stratum:
    kept = [row for row, model in enumerate(stratum.models) if model in places]
    models = tuple(places[stratum.models[row]] for row in kept)
    return Stratum(models, stratum.means[kept], stratum.effective[kept], stratum.counts[kept])
