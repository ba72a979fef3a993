"""Probability that one model is better than another on a task (eq. 6).

Under the confidence model (eq. 3, 4) a model with S2 = n1 / n gets X = Bin(n1, p) + Bin(n - n1, 1 - p) of the task's
n inputs right, and S~ = X / n. P(S~(a) > S~(b)) = P(X_a > X_b) follows from the two exact distributions.
"""

import math
from functools import lru_cache

import numpy as np

from routing.arrays import Floats

NORMAL_ERROR = 2e-4
"""The normal approximation is used where its first two Edgeworth error terms sum to less than this."""

TAIL_DEVIATIONS = 9.0
"""Binomial probabilities farther than this many deviations from the mean are left out (in total under 1e-15)."""


def probability_better(n: int, s2_a: float, p_a: float, s2_b: float, p_b: float, margin: float = 0.0) -> float:
    """Return P(S~(a) > S~(b) + margin) for two models on a task of n inputs (eq. 6); a tie is not better.

    s2_a, s2_b: S2 in [0, 1]; p_a, p_b: reliability in [0, 1]; margin: in [-1, 1]. Returns a probability; 0 when n is
    0.
    """
    if n == 0:
        return 0.0
    ones_a, ones_b = round(n * s2_a), round(n * s2_b)
    # X is a whole number of answers, so "more than n * margin" is "more than its floor"; 1e-9 absorbs rounding of
    # products such as 10 * 0.3.
    ahead = math.floor(n * margin + 1e-9)
    mean = _mean(n, ones_a, p_a) - _mean(n, ones_b, p_b) - ahead
    variance = n * (p_a * (1 - p_a) + p_b * (1 - p_b))
    if _normal_error(n, ones_a, p_a, ones_b, p_b, variance) < NORMAL_ERROR:
        # Normal approximation with continuity correction: P(X_a - X_b - ahead > 1/2).
        return float(0.5 * math.erfc((0.5 - mean) / math.sqrt(2 * variance)))
    start_a, chances_a = _correct_answers(n, ones_a, p_a)
    start_b, chances_b = _correct_answers(n, ones_b, p_b)
    # P(X_a > X_b + ahead) = sum over x of P(X_a = x) P(X_b < x - ahead), with below[i] = P(X_b < start_b + i).
    below = np.concatenate([[0.0], np.cumsum(chances_b)])
    at = np.clip(np.arange(start_a, start_a + len(chances_a)) - start_b - ahead, 0, len(chances_b))
    return float(min(1.0, max(0.0, np.dot(chances_a, below[at]))))


def _mean(n: int, ones: int, p: float) -> float:
    return ones * p + (n - ones) * (1 - p)


def _normal_error(n: int, ones_a: int, p_a: float, ones_b: int, p_b: float, variance: float) -> float:
    """Return a bound on the error of the normal approximation: skewness and kurtosis terms of the Edgeworth series.

    max |(x^2 - 1) phi(x)| / 6 = 0.0665 and max |(x^3 - 3x) phi(x)| / 24 = 0.0230; a sum of independent 0/1 variables
    has a fourth cumulant of at most its variance, and rounding to whole numbers costs 0.01 / variance. The same 0.05
    / variance covers the skewness squared, |x^5 - 10x^3 + 15x| phi / 72.
    """
    if variance < 1:
        return math.inf
    third_a = (2 * ones_a - n) * p_a * (1 - p_a) * (1 - 2 * p_a)
    third_b = (2 * ones_b - n) * p_b * (1 - p_b) * (1 - 2 * p_b)
    return 0.0665 * abs(third_a - third_b) / (variance * math.sqrt(variance)) + 0.083 / variance


def _correct_answers(n: int, ones: int, p: float) -> tuple[int, Floats]:
    """Return the distribution of Bin(ones, p) + Bin(n - ones, 1 - p): its first value, and the probabilities from
    there.
    """
    start_a, a = _binomial(ones, p)
    start_b, b = _binomial(n - ones, 1 - p)
    # The sum of two independent binomials has the convolution of their distributions (eq. 4).
    return start_a + start_b, np.convolve(a, b)


def _binomial(n: int, p: float) -> tuple[int, Floats]:
    """Return the probabilities of Bin(n, p) around its mean: the first value, and the probabilities from there."""
    if p <= 0 or n == 0:
        return 0, np.ones(1)
    if p >= 1:
        return n, np.ones(1)
    spread = TAIL_DEVIATIONS * math.sqrt(n * p * (1 - p)) + 40
    low, high = max(0, math.floor(n * p - spread)), min(n, math.ceil(n * p + spread))
    values = np.arange(low, high + 1)
    logs = _log_factorials(1 << n.bit_length())
    combinations = -logs[low : high + 1] - logs[n - high : n - low + 1][::-1]
    weights = np.exp(logs[n] + n * math.log1p(-p) + combinations + values * (math.log(p) - math.log1p(-p)))
    # Renormalised: the cut tails and the rounding of lgamma leave a sum of 1 +- 1e-12.
    return low, weights / weights.sum()


@lru_cache(maxsize=32)
def _log_factorials(size: int) -> Floats:
    """Return log k! for k below a size, (size,): a live task's decision needs hundreds of binomials at the same n."""
    # Summed in extended precision: at n in the thousands, probabilities are differences of numbers in the thousands.
    return np.cumsum(np.log(np.maximum(np.arange(size, dtype=np.longdouble), 1))).astype(np.float64)
