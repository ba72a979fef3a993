"""The candidates' accuracies on one task as a Gaussian: update by labels, and probabilities of being better.

    F ~ N(mean, scale * covariance + apart * I)           the prior: a fit's score, and its errors on held-out
    datasets
    y(x) = b(x) + F + e(x),   e ~ N(0, within)            a labelled input, all models asked

b(x), the difficulty of an input, moves all models alike: it has a flat prior, so labels count by the differences
between models on the same input. The error of a score differs from task to task: the prior's covariance is taken at
several scales (CASES), weighted by the likelihood of the labels under each. The last case, improbable at first, is a
task on which the benchmark is of no use at all, so that many labels always win. Clients' feedback scores are applied
after the labels, in every case: routing.auto.feedback.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Floats
from routing.auto.feedback import Feedback
from routing.auto.membership import TaskMembership

CASES = (*((scale, 0.0, 1 / 6) for scale in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)), (1.0, 0.04, 0.001))
"""(scale, apart, prior probability) of each case."""

FREE = 1000.0
"""Variance of a flat prior: any value far above 1 is flat for outcomes in [0, 1]."""
MIN_NOISE = 1e-4
Z = 1.645
"""Deviations on both sides of a Gaussian's mean that contain 90 % of it."""


@dataclass(frozen=True, slots=True)
class AccuracyPosterior:
    """Gaussian over the candidates' accuracies on a task.

    Attributes:
        mean: (n_candidates,) expected accuracy.
        covariance: (n_candidates, n_candidates).
        within: (n_candidates, n_candidates) covariance of outcomes from input to input.
        n_labels: labelled inputs that it includes.
        feedback: feedback scores that it includes, columns being candidates.
        membership: of the task in the benchmark's datasets; None where the pack cannot tell.
        unmeasured: candidates without an outcome on the dataset that the task is declared to be, where another one
            has some; None for a task that is declared to be none.
    """

    mean: Floats
    covariance: Floats
    within: Floats
    n_labels: int = 0
    feedback: Feedback | None = None
    membership: TaskMembership | None = None
    unmeasured: frozenset[int] | None = None

    def condition_on(
        self, labels: "LabelGroups | None" = None, feedback: Feedback | None = None
    ) -> "AccuracyPosterior":
        """Return the posterior after labels and feedback. Called on the prior, with both at once."""
        labels = labels if labels is not None and labels.n else None
        feedback = feedback if feedback is not None and feedback.n else None
        if labels is None and feedback is None:
            return self
        weighed = feedback.to_likelihood(len(self.mean)) if feedback else None
        parts = []
        for scale, apart, _ in CASES:
            mean, covariance, likelihood = self.mean, scale * self.covariance + apart * np.eye(len(self.mean)), 0.0
            if labels is not None:
                mean, covariance, likelihood = self._labelled(labels, covariance)
            if weighed is not None:
                mean, covariance, more = weighed.update_gaussian(mean, covariance)
                likelihood += more
            parts.append((mean, covariance, likelihood))
        # Log-sum-exp over the cases: likelihoods of hundreds of labels underflow as plain products.
        likely = np.array([likelihood for _, _, likelihood in parts]) + np.log([before for *_, before in CASES])
        weights = np.exp(likely - likely.max())
        weights /= weights.sum()
        middle = np.asarray(sum(weight * found for weight, (found, _, _) in zip(weights, parts, strict=True)))
        # Variance of a mixture: within the cases plus between their means.
        spread = sum(
            weight * (found + np.outer(centre - middle, centre - middle))
            for weight, (centre, found, _) in zip(weights, parts, strict=True)
        )
        n_labels = self.n_labels + (labels.n if labels else 0)
        return replace(self, mean=middle, covariance=np.asarray(spread), n_labels=n_labels, feedback=feedback)

    def _labelled(self, labels: "LabelGroups", covariance: Floats) -> tuple[Floats, Floats, float]:
        """Return mean, covariance and log-likelihood of one of the cases, after labels."""
        at, values = labels.value_candidates, labels.means
        noise = np.zeros((len(at), len(at)))
        start = 0
        for group, count in zip(labels.groups, labels.counts, strict=True):
            some = slice(start, start + len(group))
            noise[some, some] = (self.within[np.ix_(group, group)] + MIN_NOISE * np.eye(len(group))) / count
            start += len(group)
        # FREE in every cell is the shared, unknown difficulty b(x): it leaves only differences between models
        # informative.
        total = covariance[np.ix_(at, at)] + noise + FREE
        off = values - self.mean[at]
        # Gaussian conditioning (Kalman gain) by one solve for mean and covariance instead of an inverse.
        gain = np.linalg.solve(total, np.column_stack([off, covariance[at]]))
        cross = covariance[:, at]
        likelihood = -0.5 * float(off @ gain[:, 0]) - 0.5 * float(np.linalg.slogdet(total)[1])
        return self.mean + cross @ gain[:, 0], covariance - cross @ gain[:, 1:], likelihood

    def probability_better(self, a: int, b: int) -> float:
        """Return the probability that candidate a is better than b on the task."""
        return self.probability_within(b, a, 0.0) if a != b else 0.5

    def probability_within(self, leader: int, other: int, regret: float) -> float:
        """Return the probability that `other` is at most `regret` worse than `leader`."""
        apart = float(self.mean[leader] - self.mean[other]) - regret
        variance = float(
            self.covariance[leader, leader] + self.covariance[other, other] - 2 * self.covariance[leader, other]
        )
        if variance <= 0:
            return 1.0 if apart <= 0 else 0.0
        return 0.5 * math.erfc(apart / math.sqrt(2 * variance))

    def credible_interval(self, place: int) -> tuple[float, float]:
        """Return the 90 % interval of a candidate's accuracy, without the difficulty shared by all candidates."""
        half = Z * math.sqrt(max(0.0, float(self.covariance[place, place])))
        return float(self.mean[place]) - half, float(self.mean[place]) + half

    def noise_variance(self, a: int, b: int) -> float:
        """Return the variance of two candidates' difference on one labelled input."""
        within = self.within
        return float(within[a, a] + within[b, b] - 2 * within[a, b]) + 2 * MIN_NOISE

    def standard_deviation(self, a: int, b: int) -> float:
        """Return the standard deviation of the difference between two candidates."""
        return math.sqrt(max(0.0, float(self.covariance[a, a] + self.covariance[b, b] - 2 * self.covariance[a, b])))


@dataclass(frozen=True, slots=True)
class LabelGroups:
    """Labelled inputs, aggregated by the set of candidates that were asked.

    Attributes:
        groups: candidates asked together.
        means: their mean outcomes, group after group.
        counts: inputs of each group.
    """

    groups: tuple[tuple[int, ...], ...]
    means: Floats
    counts: tuple[int, ...]

    @classmethod
    def from_matrix(cls, outcomes: Floats) -> "LabelGroups":
        """Aggregate outcomes, (n_inputs, n_candidates), NaN where a candidate was not asked."""
        known = ~np.isnan(outcomes)
        # Inputs with the same candidates asked share one mean: the system has a row per group, not per label.
        patterns, which = np.unique(known, axis=0, return_inverse=True)
        groups, means, counts = [], [], []
        for number, pattern in enumerate(patterns):
            rows = outcomes[which.reshape(-1) == number][:, pattern]
            if pattern.any():
                groups.append(tuple(int(place) for place in np.flatnonzero(pattern)))
                means.append(rows.mean(axis=0))
                counts.append(len(rows))
        return cls(tuple(groups), np.concatenate(means) if means else np.zeros(0), tuple(counts))

    @property
    def n(self) -> int:
        """Number of inputs."""
        return sum(self.counts)

    @property
    def value_candidates(self) -> list[int]:
        """The candidate of every value in `means`."""
        return [place for group in self.groups for place in group]
