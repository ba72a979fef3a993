"""The candidates' accuracies on one task as a Gaussian: update by labels, and probabilities of being better.

    F ~ N(mean, scale * covariance + apart * I)           the prior: a fit's score, and its errors on held-out
    datasets
    y(x) = b(x) + F + e(x),   e ~ N(0, within)            a labelled input, all models asked

b(x), the difficulty of an input, moves all models alike: it has a flat prior, so labels count by the differences
between models on the same input. The error of a score differs from task to task: the prior's covariance is taken at
several scales (CASES), weighted by the likelihood of the labels under each. The last case, improbable at first, is a
task on which the benchmark is of no use at all, so that many labels always win. Clients' feedback scores are applied
after the labels, in every case: routing.auto.feedback.

    z(x) = b'(x) + J F + e'(x),   e' ~ N(0, E[J^2] within + variance),   J ~ (slope, deviation^2)

is the same for a label of a judge, with the errors of routing.auto.judge_noise and a difficulty b' of each judge's own.
What J's deviation adds is taken at the prior's scale 1, so that at slope 0 no case is more likely than another: the
likelihood is flat.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Floats
from routing.auto.feedback import Feedback
from routing.auto.judge_noise import TRUE_LABEL, LabelNoise
from routing.auto.membership import TaskMembership

CASES = (*((scale, 0.0, 1 / 6) for scale in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)), (1.0, 0.04, 0.001))
"""(scale, apart, prior probability) of each case."""

FREE = 1000.0
"""Variance of a flat prior: any value far above 1 is flat for outcomes in [0, 1]."""
MIN_NOISE = 1e-4
Z = 1.645
"""Deviations on both sides of a Gaussian's mean that contain 90 % of it."""


def reported_accuracy(values: Floats) -> Floats:
    """Return accuracies as they are shown: in [0, 1], NaN stays. Shape of values.

    The posterior is a Gaussian, whose mean can lie outside of [0, 1]: a model that leads the average by 0.2 where the
    average is 0.9. Decisions compare the unbounded values, in which only differences count: bounded, two models above
    1 would tie, and the probability that one is better would no longer be that of the difference.
    """
    return np.asarray(np.clip(values, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class JudgedLabels:
    """Labels that a judge gave to inputs of a task.

    Attributes:
        source: name of the judge.
        outcomes: (n_inputs, n_models) its labels, NaN where it gave none.
        noise: of its labels.
    """

    source: str
    outcomes: Floats
    noise: LabelNoise


@dataclass(frozen=True, slots=True)
class JudgedCount:
    """Labels of a judge in a posterior.

    Attributes:
        source: name of the judge.
        n: labelled inputs.
        weight: true labels that one of them counts for, in [0, 1].
        noise: of the labels.
    """

    source: str
    n: int
    weight: float
    noise: LabelNoise


@dataclass(frozen=True, slots=True)
class AccuracyPosterior:
    """Gaussian over the candidates' accuracies on a task.

    Attributes:
        mean: (n_candidates,) expected accuracy.
        covariance: (n_candidates, n_candidates).
        within: (n_candidates, n_candidates) covariance of outcomes from input to input.
        n_labels: labelled inputs that it includes, without those of judges.
        feedback: feedback scores that it includes, columns being candidates.
        membership: of the task in the benchmark's datasets; None where the pack cannot tell.
        unmeasured: candidates without an outcome on the dataset that the task is declared to be, where another one
            has some; None for a task that is declared to be none.
        judged: labels of judges that it includes.
    """

    mean: Floats
    covariance: Floats
    within: Floats
    n_labels: int = 0
    feedback: Feedback | None = None
    membership: TaskMembership | None = None
    unmeasured: frozenset[int] | None = None
    judged: tuple[JudgedCount, ...] = ()

    @property
    def effective_labels(self) -> float:
        """Number of true labels that all labels count for."""
        return self.n_labels + sum(one.n * one.weight for one in self.judged)

    def condition_on(
        self, labels: "LabelGroups | None" = None, feedback: Feedback | None = None
    ) -> "AccuracyPosterior":
        """Return the posterior after labels and feedback. Called on the prior, with both at once."""
        feedback = feedback if feedback is not None and feedback.n else None
        judged = self._count_judged(labels) if labels is not None else ()
        # Labels that say nothing are shown, but the scales of the prior must not be averaged because of them.
        labels = None if labels is None else labels.select_informative()
        labels = labels if labels is not None and labels.n else None
        if labels is None and feedback is None:
            return replace(self, judged=judged) if judged else self
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
        n_labels = self.n_labels + (labels.n_true if labels else 0)
        return replace(
            self, mean=middle, covariance=np.asarray(spread), n_labels=n_labels, feedback=feedback, judged=judged
        )

    def _count_judged(self, labels: "LabelGroups") -> tuple[JudgedCount, ...]:
        n = len(self.mean)
        # Mean over all pairs of candidates of the variance of their difference on one input.
        own = float(np.trace(self.within))
        difference = 2 * (n * own - float(self.within.sum())) / max(1, n * (n - 1)) + 2 * MIN_NOISE
        return tuple(
            JudgedCount(source, count, noise.weight(difference), noise)
            for source, (count, noise) in labels.judged_sources().items()
        )

    def _labelled(self, labels: "LabelGroups", covariance: Floats) -> tuple[Floats, Floats, float]:
        """Return mean, covariance and log-likelihood of one of the cases, after labels."""
        at, values = labels.value_candidates, labels.means
        sizes = [len(group) for group in labels.groups]
        slopes = np.repeat([noise.slope for noise in labels.noises], sizes)
        deviations = np.repeat([noise.deviation for noise in labels.noises], sizes)
        sources = np.repeat(np.unique(labels.sources, return_inverse=True)[1], sizes)
        same_source = sources[:, None] == sources
        # FREE in every cell of a source is the shared, unknown difficulty b(x), and a judge's leniency: it leaves only
        # differences between models informative.
        total = np.outer(slopes, slopes) * covariance[np.ix_(at, at)] + FREE * same_source + self._noise(labels)
        if deviations.any():
            apart = self.mean - self.mean.mean()
            moment = (self.covariance + np.outer(apart, apart))[np.ix_(at, at)]
            total += np.outer(deviations, deviations) * moment * same_source
        off = values - slopes * self.mean[at]
        cross = covariance[:, at] * slopes
        # Gaussian conditioning (Kalman gain) by one solve for mean and covariance instead of an inverse.
        gain = np.linalg.solve(total, np.column_stack([off, cross.T]))
        likelihood = -0.5 * float(off @ gain[:, 0]) - 0.5 * float(np.linalg.slogdet(total)[1])
        return self.mean + cross @ gain[:, 0], covariance - cross @ gain[:, 1:], likelihood

    def _noise(self, labels: "LabelGroups") -> Floats:
        """Return the covariance of the labels' means given the accuracies: independent between groups."""
        n = len(labels.means)
        noise, start = np.zeros((n, n)), 0
        for group, count, error in zip(labels.groups, labels.counts, labels.noises, strict=True):
            some = slice(start, start + len(group))
            within = (error.slope**2 + error.deviation**2) * self.within[np.ix_(group, group)]
            noise[some, some] = (within + (error.variance + MIN_NOISE) * np.eye(len(group))) / count
            start += len(group)
        return noise

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
        """Return the 90 % interval of a candidate's accuracy as it is shown, in [0, 1] (see `reported_accuracy`).

        Without the difficulty shared by all candidates.
        """
        half = Z * math.sqrt(max(0.0, float(self.covariance[place, place])))
        low, high = reported_accuracy(self.mean[place] + np.array([-half, half])).tolist()
        return low, high

    def noise_variance(self, a: int, b: int) -> float:
        """Return the variance of two candidates' difference on one labelled input."""
        within = self.within
        return float(within[a, a] + within[b, b] - 2 * within[a, b]) + 2 * MIN_NOISE

    def standard_deviation(self, a: int, b: int) -> float:
        """Return the standard deviation of the difference between two candidates."""
        return math.sqrt(max(0.0, float(self.covariance[a, a] + self.covariance[b, b] - 2 * self.covariance[a, b])))


@dataclass(frozen=True, slots=True)
class LabelGroups:
    """Labelled inputs, aggregated by their source and the set of candidates that were asked.

    Attributes:
        groups: candidates asked together.
        means: their mean outcomes, group after group.
        counts: inputs of each group.
        sources: judge of each group; empty for true labels.
        noises: error of each group's labels.
    """

    groups: tuple[tuple[int, ...], ...]
    means: Floats
    counts: tuple[int, ...]
    sources: tuple[str, ...]
    noises: tuple[LabelNoise, ...]

    @classmethod
    def from_matrix(cls, outcomes: Floats, source: str = "", noise: LabelNoise = TRUE_LABEL) -> "LabelGroups":
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
        joined = np.concatenate(means) if means else np.zeros(0)
        return cls(tuple(groups), joined, tuple(counts), (source,) * len(groups), (noise,) * len(groups))

    def join(self, other: "LabelGroups") -> "LabelGroups":
        """Return these labels and those of another source."""
        return LabelGroups(
            self.groups + other.groups,
            np.concatenate([self.means, other.means]),
            self.counts + other.counts,
            self.sources + other.sources,
            self.noises + other.noises,
        )

    def select_informative(self) -> "LabelGroups":
        """Return the labels whose slope is above 0."""
        kept = [place for place, noise in enumerate(self.noises) if noise.slope > 0]
        if len(kept) == len(self.noises):
            return self
        starts = np.cumsum([0, *map(len, self.groups)])
        means = [self.means[starts[place] : starts[place + 1]] for place in kept]
        return LabelGroups(
            tuple(self.groups[place] for place in kept),
            np.concatenate(means) if means else np.zeros(0),
            tuple(self.counts[place] for place in kept),
            tuple(self.sources[place] for place in kept),
            tuple(self.noises[place] for place in kept),
        )

    @property
    def n(self) -> int:
        """Number of inputs."""
        return sum(self.counts)

    @property
    def n_true(self) -> int:
        """Number of inputs with true labels."""
        return sum(count for count, source in zip(self.counts, self.sources, strict=True) if not source)

    def judged_sources(self) -> dict[str, tuple[int, LabelNoise]]:
        """Return the number of inputs and the noise of each judge, by its name."""
        found: dict[str, tuple[int, LabelNoise]] = {}
        for source, count, noise in zip(self.sources, self.counts, self.noises, strict=True):
            if source:
                found[source] = (found.get(source, (0, noise))[0] + count, noise)
        return found

    @property
    def value_candidates(self) -> list[int]:
        """The candidate of every value in `means`."""
        return [place for group in self.groups for place in group]
