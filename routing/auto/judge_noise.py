"""How much a judge model's labels tell: its error rates, estimated from its agreement with itself and with references.

A verdict z on an outcome y has sensitivity s = P(z = 1 | y = 1) and specificity c = P(z = 0 | y = 0), so that

    E[z | y] = (1 - c) + J y,   J = s + c - 1 (Youden's index),   Var[z | y] = s (1 - s) or c (1 - c)

With a flip rate e, s = c = 1 - e and J = 1 - 2e. The constant 1 - c is shared by all candidates and falls out with the
difficulty of an input (routing.auto.posterior): a mean of verdicts is a mean of outcomes, scaled by J, with noise. At
J = 0 (e = 1/2) it does not depend on the outcomes, so the likelihood is flat; at e = 0 it is that of a true label.

Asked twice, with independent errors, about outcomes of which the share q is 1 (Hui and Walter 1980, one population),

    P(1, 1) = q s^2 + (1 - q)(1 - c)^2,   P(0, 0) = q (1 - s)^2 + (1 - q) c^2,   P(1, 0) + P(0, 1) = the rest

Outcomes with references add P(z | y) directly, and show errors that a judge makes both times: with them, a share r of
pairs may be one verdict given twice, so P(1, 0) + P(0, 1) is 1 - r of the above. Without references r = 0 is assumed.
s, c and q have a uniform prior where s + c >= 1; the posterior on a grid gives mean and deviation of J. A judge whose J
may be below MIN_SLOPE, at the level SIGNIFICANCE, counts for nothing: one that disagrees with itself half of the time,
and one that always says the same.

| quantity        | here                 |
|-----------------|----------------------|
| E[J]            | LabelNoise.slope     |
| sd(J)           | LabelNoise.deviation |
| E[Var[z \\| y]] | LabelNoise.variance  |
"""

from dataclasses import dataclass

import numpy as np

from routing.arrays import Floats

GRID_SIZE = 41
"""Cells of each axis of the grid."""
MIN_SLOPE = 0.2
SIGNIFICANCE = 0.05
REPEATED = ((0.0, 0.9), (0.25, 0.025), (0.5, 0.025), (0.75, 0.025), (0.99, 0.025))
"""r with its prior probability, where there are references."""


@dataclass(frozen=True, slots=True)
class LabelNoise:
    """Error of a source of labels: its label is slope * outcome + a constant + noise.

    Attributes:
        slope: expected value of J, in [0, 1]; 0 for labels that say nothing.
        deviation: standard deviation of J, which all labels of the source share.
        variance: of one label, given the outcome.
    """

    slope: float
    deviation: float
    variance: float

    def scale(self, factor: float) -> "LabelNoise":
        """Return the noise of labels multiplied by a factor."""
        return LabelNoise(self.slope * factor, self.deviation * factor, self.variance * factor**2)

    def weight(self, difference: float) -> float:
        """Return the true labels that one label counts for, in [0, 1].

        difference: variance of the difference of two candidates' outcomes on one input. Weights are ratios of
        precisions; the deviation of J, which more labels do not reduce, is left out.
        """
        signal = self.slope**2 * difference
        return signal / (signal + 2 * self.variance) if signal > 0 else 0.0


TRUE_LABEL = LabelNoise(slope=1.0, deviation=0.0, variance=0.0)
NO_INFORMATION = LabelNoise(slope=0.0, deviation=0.0, variance=0.25)


def flip_noise(rate: float) -> LabelNoise:
    """Return the noise of labels that are flipped with a known probability, in [0, 1/2]."""
    return LabelNoise(1 - 2 * rate, 0.0, rate * (1 - rate))


def pairwise_noise(noise: LabelNoise, decided: float) -> LabelNoise:
    """Return the noise of labels that say if a candidate's answer is better than another, fixed candidate's.

    1 for better, 1/2 for a tie, 0 for worse, and 1/2 for the fixed candidate: two candidates' labels differ by half of
    what their outcomes do. A preference among equally right answers adds variance, at most 1/4 where there is no tie.

    noise: of a verdict on which answer is better. decided: share of comparisons that are no tie, in [0, 1].
    """
    half = noise.scale(0.5)
    return LabelNoise(half.slope, half.deviation, max(half.variance, decided / 4))


@dataclass(frozen=True, slots=True)
class JudgeAgreement:
    """A judge's verdicts, counted. Counts may be fractions: half a verdict for a tie.

    Attributes:
        both_right, both_wrong, differ: pairs of verdicts on the same answer, asked twice.
        right_as_right, right_as_wrong: verdicts on answers that are right by a reference.
        wrong_as_right, wrong_as_wrong: verdicts on answers that are wrong by a reference.
    """

    both_right: float = 0.0
    both_wrong: float = 0.0
    differ: float = 0.0
    right_as_right: float = 0.0
    right_as_wrong: float = 0.0
    wrong_as_right: float = 0.0
    wrong_as_wrong: float = 0.0

    def symmetric(self) -> "JudgeAgreement":
        """Return the counts of comparisons, in which either answer may be called right.

        A judge that goes by the order disagrees with itself, so one whose verdict is always the same candidate's does
        not always say the same.
        """
        same = (self.both_right + self.both_wrong) / 2
        hits, misses = self.right_as_right + self.wrong_as_wrong, self.right_as_wrong + self.wrong_as_right
        return JudgeAgreement(same, same, self.differ, hits / 2, misses / 2, misses / 2, hits / 2)

    @property
    def has_references(self) -> bool:
        """Return True if some verdicts can be compared with references."""
        return self.right_as_right + self.right_as_wrong + self.wrong_as_right + self.wrong_as_wrong > 0


def estimate_noise(agreement: JudgeAgreement) -> LabelNoise:
    """Return the noise of a judge's labels; NO_INFORMATION unless they are shown to be better than chance."""
    sensitivity, specificity, weights = _error_rates(agreement)
    slopes = sensitivity + specificity - 1
    if float(weights[slopes < MIN_SLOPE].sum()) > SIGNIFICANCE:
        return NO_INFORMATION
    slope = float((weights * slopes).sum())
    spread = (sensitivity * (1 - sensitivity) + specificity * (1 - specificity)) / 2
    return LabelNoise(
        slope=slope,
        deviation=float(np.sqrt((weights * (slopes - slope) ** 2).sum())),
        variance=float((weights * spread).sum()),
    )


def _error_rates(counted: JudgeAgreement) -> tuple[Floats, Floats, Floats]:
    """Return a grid of s and c with the posterior weight of each cell, all (GRID_SIZE, GRID_SIZE)."""
    cells = (np.arange(GRID_SIZE) + 0.5) / GRID_SIZE
    s, c = np.meshgrid(cells, cells, indexing="ij")
    referenced = counted.right_as_right * np.log(s) + counted.right_as_wrong * np.log(1 - s)
    referenced = referenced + counted.wrong_as_wrong * np.log(c) + counted.wrong_as_right * np.log(1 - c)
    repeated = REPEATED if counted.has_references else ((0.0, 1.0),)
    likely = np.stack([np.log(prior) + _pair_likelihood(counted, s, c, cells, share) for share, prior in repeated])
    # Without references, (1 - s, 1 - c, 1 - q) explains all pairs as well: a judge is taken to be no worse than chance.
    likely = np.where((s + c >= 1 - 1e-9)[..., None], likely + referenced[..., None], -np.inf)
    weights = np.exp(likely - likely.max()).sum(axis=(0, -1))
    return s, c, np.asarray(weights / weights.sum())


def _pair_likelihood(counted: JudgeAgreement, s: Floats, c: Floats, q: Floats, repeated: float) -> Floats:
    """Return the log-likelihood of the pairs, (GRID_SIZE, GRID_SIZE, GRID_SIZE). repeated: r."""
    s, c = s[..., None], c[..., None]
    once, both = q * s + (1 - q) * (1 - c), q * s**2 + (1 - q) * (1 - c) ** 2
    right = repeated * once + (1 - repeated) * both
    differ = (1 - repeated) * 2 * (once - both)
    wrong = 1 - right - differ
    return np.asarray(
        counted.both_right * np.log(right) + counted.both_wrong * np.log(wrong) + counted.differ * np.log(differ)
    )
