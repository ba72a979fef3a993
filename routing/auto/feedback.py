"""Clients' scores of single responses as evidence: they concern the chosen model alone, and are weighed as such.

    score(m, x) = F[m] + b + d_s + e,   b ~ N(0, LEVEL^2),  d_s ~ N(0, DRIFT^2),  e ~ N(0, at most 1/4)

b is the scoring habit of this task's clients, and the difficulty of the task beyond what was expected; d_s the same
for one stratum s. A stratum is a set of responses among which chance alone decided the model (one decision, one set
of candidates, one share of exploration): only within it do two models share the difficulty of their inputs. A
response in which chance had no part (no exploration; a session, a model named by the request, failover) is in a
stratum with its model alone.

So without exploration almost nothing is learnt of rivals, and of the chosen model only what b and d_s leave: its
level is known with a variance of at least LEVEL^2 + DRIFT^2, however many responses are scored. With exploration the
difference of two models in a stratum is free of b and d_s, and as certain as the rarer one's responses allow.

| quantity                                         | here      | shape                          |
|--------------------------------------------------|-----------|--------------------------------|
| mean of y/pi over that of 1/pi (self-normalised) | means     | of a stratum's models          |
| (sum 1/pi)^2 / sum 1/pi^2 (Kish)                 | effective | the same                       |
| precision, precision times mean, b and d_s integrated out | FeedbackLikelihood | (n_candidates, n_candidates),
(n_candidates,) |
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.arrays import Floats, Ints

LEVEL = 0.3
"""Standard deviation of b: about as wide as scores in [0, 1] can be off as a whole."""
DRIFT = 0.1
"""Standard deviation of d_s: inputs change over weeks, and differ between clients that name a model and others."""
MAX_NOISE = 0.25
"""The variance of a score in [0, 1] is at most 1/4 (Popoviciu), whatever the scale of a client means."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Responses among which chance decided the model.

    Attributes:
        models: columns, each once, ascending.
        means: self-normalised mean score of each.
        effective: effective sample size of each (Kish).
        counts: number of responses of each.
    """

    models: tuple[int, ...]
    means: Floats
    effective: Floats
    counts: Ints


@dataclass(frozen=True, slots=True)
class Feedback:
    """Scored responses of one task, aggregated."""

    strata: tuple[Stratum, ...]

    @classmethod
    def from_ratings(cls, models: Ints, scores: Floats, propensities: Floats, strata: Sequence[object]) -> "Feedback":
        """Aggregate scored responses.

        All arguments (n_responses,). models: columns. scores: in [0, 1]. propensities: in (0, 1], NaN where chance
        had no part. strata: equal among the responses of one stratum. The order of responses changes nothing but
        rounding. Raises ValueError for an invalid propensity.
        """
        if (propensities <= 0).any() or (propensities > 1).any():
            raise ValueError("a propensity is outside (0, 1]")
        # A propensity of 1 is no chance: such a response says nothing about the model's rivals.
        alone = np.isnan(propensities) | (propensities == 1)
        places = [
            # Strata may be any objects; their repr is a sortable key.
            (repr(at), int(model) if apart else -1)
            for at, model, apart in zip(strata, models, alone, strict=True)
        ]
        weights = np.where(alone, 1.0, 1.0 / np.where(alone, 1.0, propensities))
        found: dict[tuple[str, int], list[int]] = {}
        for row, place in enumerate(places):
            found.setdefault(place, []).append(row)
        return cls(tuple(_stratum(models[rows], scores[rows], weights[rows]) for _, rows in sorted(found.items())))

    def restrict_to(self, columns: Sequence[int]) -> "Feedback":
        """Return the feedback on some models alone, with columns renumbered in their order."""
        places = {column: place for place, column in enumerate(columns)}
        selected = (_select_models(stratum, places) for stratum in self.strata)
        return Feedback(tuple(stratum for stratum in selected if stratum.models))

    @property
    def n(self) -> int:
        """Number of responses."""
        return int(sum(stratum.counts.sum() for stratum in self.strata))

    def for_model(self, column: int) -> tuple[int, float | None]:
        """Return the number of scored responses of a model, and their plain mean; None without any."""
        found = [
            (int(stratum.counts[place]), float(stratum.means[place]))
            for stratum in self.strata
            for place, model in enumerate(stratum.models)
            if model == column
        ]
        n = sum(count for count, _ in found)
        return n, sum(count * mean for count, mean in found) / n if n else None

    def to_likelihood(self, n_candidates: int) -> "FeedbackLikelihood":
        """Return the likelihood of the candidates' accuracies, b and every d_s integrated out."""
        # One more place, the last, for b, which is integrated out at the end.
        n = n_candidates + 1
        precision, shift = np.zeros((n, n)), np.zeros(n)
        precision[-1, -1] = 1 / LEVEL**2
        for stratum in self.strata:
            each = stratum.effective / MAX_NOISE
            # Sherman-Morrison: d_s, shared by a stratum's models, integrated out of independent means of variance
            # 1/each.
            joint = np.diag(each) - np.outer(each, each) / (1 / DRIFT**2 + each.sum())
            models = list(stratum.models)
            precision[np.ix_(models, models)] += joint
            precision[models, -1] += joint.sum(axis=1)
            precision[-1, models] += joint.sum(axis=0)
            precision[-1, -1] += joint.sum()
            shift[models] += joint @ stratum.means
            shift[-1] += float((joint @ stratum.means).sum())
        # The Schur complement integrates b out: with LEVEL finite, own is never 0.
        across, own = precision[:-1, -1], precision[-1, -1]
        return FeedbackLikelihood(
            precision=np.asarray(precision[:-1, :-1] - np.outer(across, across) / own),
            shift=np.asarray(shift[:-1] - across * shift[-1] / own),
        )


@dataclass(frozen=True, slots=True)
class FeedbackLikelihood:
    """Gaussian likelihood of the candidates' accuracies F: exp(shift'F - F' precision F / 2), up to a constant.

    Attributes:
        precision: (n_candidates, n_candidates), singular where little is known.
        shift: (n_candidates,).
    """

    precision: Floats
    shift: Floats

    def update_gaussian(self, mean: Floats, covariance: Floats) -> tuple[Floats, Floats, float]:
        """Return mean and covariance of N(mean, covariance) after the update, and its log-likelihood up to the
        constant.
        """
        spread = np.eye(len(mean)) + covariance @ self.precision
        # (I + C P)^-1 C: the update of a Gaussian by a precision matrix that need not be invertible.
        after = np.linalg.solve(spread, covariance)
        # Rounding makes the solution slightly asymmetric; a covariance must be symmetric.
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


def _select_models(stratum: Stratum, places: dict[int, int]) -> Stratum:
    selected = [row for row, model in enumerate(stratum.models) if model in places]
    models = tuple(places[stratum.models[row]] for row in selected)
    return Stratum(models, stratum.means[selected], stratum.effective[selected], stratum.counts[selected])
