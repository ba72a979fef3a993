"""Adaptive subsampling: selects a task's inputs that are embedded, before they are embedded.

| symbol | here                   |                                                             |
|--------|------------------------|-------------------------------------------------------------|
| w      | SamplingRate.weight    | one input in w is embedded                                  |
| D      | s3[chosen] - s3[other] | what a change of model would have to overcome               |
| z      | decision_z()           | D over the sampling error of D, for the nearest other model |

A task's scores are means over its inputs, so a uniform random sample of them estimates the same scores, unbiased. One
input is sampled from each run of w consecutive inputs. The task's name and the input's number alone determine which
one, so a replay samples the same inputs.

w is 1 until the decision is clear, or until so many inputs are in the sums that further ones hardly move them; then
it doubles from block to block. While the inputs come from one distribution, w can have any value. When they drift,
that is, when their distance to the benchmark or their cosine to the task's mean embedding leaves its former range, w
is reset to 1, and the new inputs count in full.

Sampled inputs count once, not w times. Weights (Horvitz-Thompson) would keep the sums unbiased for inputs in any
order, undetected drift included, but a few heavy inputs then outweigh all the others: on a replayed benchmark, tasks
changed their model 1.7 times instead of 1.0.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from routing.arrays import Embeddings, Floats
from routing.scores import TaskScores
from routing.task import InputEvidence

BLOCK = 32
"""Inputs between two updates of the rate. A multiple of every weight, so that runs end where blocks do."""

RECENT = 0.2
"""Weight of the newest value in the exponentially weighted mean."""
MIN_OBSERVED = 24
"""Inputs before a shift can be detected: the variance of fewer is too uncertain."""
MIN_DEVIATION = 1e-6


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """Thresholds of the sampling. All but `sparsest` count embedded inputs since the last drift.

    Attributes:
        sparsest: the largest w, a power of two up to BLOCK.
        least: inputs before which w stays 1.
        enough: inputs after which w grows even if the decision is not clear.
        clear: z from which a decision is clear.
        drift: deviations from which a shift is a drift.
    """

    sparsest: int = 16
    least: int = 64
    enough: int = 192
    clear: float = 2.5
    drift: float = 5.0


@dataclass(frozen=True, slots=True)
class ShiftDetector:
    """Shift detector of one value per input: mean and variance so far, and the recent mean.

    The recent mean is exponentially weighted, the newest value with weight RECENT; its deviation without a shift is
    sqrt(RECENT / (2 - RECENT)) of an input's (EWMA chart; Roberts, 1959).
    """

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    recent: float = 0.0

    def add_value(self, value: float) -> "ShiftDetector":
        """Return the detector with one more value (Welford's update)."""
        n = self.n + 1
        # Welford's update: numerically stable in one pass, where sum of squares minus square of sum cancels.
        off = value - self.mean
        mean = self.mean + off / n
        recent = value if self.n == 0 else (1 - RECENT) * self.recent + RECENT * value
        return ShiftDetector(n, mean, self.squares + off * (value - mean), recent)

    def shift_deviations(self) -> float:
        """Return the deviations between the recent mean and the mean; 0 while there are too few values."""
        deviation = np.sqrt(self.squares / max(self.n - 1, 1) * RECENT / (2 - RECENT))
        if self.n < MIN_OBSERVED or deviation < MIN_DEVIATION:
            return 0.0
        return float(abs(self.recent - self.mean) / deviation)


@dataclass(frozen=True, slots=True)
class SamplingRate:
    """Sampling state of a task.

    Attributes:
        weight: w.
        embedded: inputs embedded since the last drift.
        drifts: number of drifts detected.
        distance: detector on the distance to the benchmark.
        nearness: detector on the cosine to the task's mean embedding.
    """

    weight: int = 1
    embedded: int = 0
    drifts: int = 0
    distance: ShiftDetector = ShiftDetector()
    nearness: ShiftDetector = ShiftDetector()

    def record_input(self, evidence: InputEvidence, embedding_sum: Floats) -> "SamplingRate":
        """Return the rate after some embedded inputs. embedding_sum: (dim,), the task's before them."""
        distance, nearness = self.distance, self.nearness
        for vector, far in zip(evidence.vectors, evidence.distances, strict=True):
            distance = distance.add_value(float(far))
            nearness = _nearer(nearness, vector, embedding_sum)
            embedding_sum = embedding_sum + vector
        return replace(self, embedded=self.embedded + len(evidence), distance=distance, nearness=nearness)

    def next_rate(self, clearness: float, settings: SamplingSettings) -> "SamplingRate":
        """Return the rate of the next block. clearness: z of the current decision."""
        if max(self.distance.shift_deviations(), self.nearness.shift_deviations()) > settings.drift:
            # After a drift everything is learnt anew: old means would hide the next one.
            return SamplingRate(drifts=self.drifts + 1)
        enough = settings.least if clearness >= settings.clear else settings.enough
        if self.embedded < enough:
            return self
        return replace(self, weight=min(2 * self.weight, settings.sparsest))


def _nearer(watch: ShiftDetector, vector: Embeddings, embedding_sum: Floats) -> ShiftDetector:
    length = float(np.linalg.norm(embedding_sum))
    return watch.add_value(float(vector @ embedding_sum) / length) if length else watch


def is_sampled(task: str, number: int, weight: int) -> bool:
    """Return True if input `number` of a task, from 0, is the one of its run that is embedded."""
    return weight == 1 or number % weight == _drawn_place(task, number // weight, weight)


@lru_cache(maxsize=1024)
def _drawn_place(task: str, run: int, weight: int) -> int:
    """Return which input of a run is sampled, from 0. Remembered, since the inputs of a run come one after another."""
    # A hash in place of a random generator: any scorer of a fleet, and a replay, selects the same inputs without
    # shared state.
    name = f"{task}\0{run}\0{weight}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little") % weight


def decision_z(scores: TaskScores, chosen: str) -> float:
    """Return z: the least lead of the chosen model over any other, in deviations of its sampling error.

    S3 = (2p - 1) S2 + 1 - p, and S2 is a mean of n values 0 or 1, so Var(D) is at most sum((2p - 1)^2 S2 (1 - S2)) /
    n over the two. Negative where another model leads; infinite where there is none.
    """
    if len(scores.models) < 2:
        return float("inf")
    if chosen not in scores.models or not scores.n:
        return 0.0
    at = scores.models.index(chosen)
    # S2 (1 - S2) is largest at 0.5: an unknown S2 gets the largest variance.
    s2 = np.where(np.isnan(scores.s2), 0.5, scores.s2)
    variances = (2 * scores.reliability - 1) ** 2 * s2 * (1 - s2) / scores.n
    leads = scores.s3[at] - scores.s3
    z = np.where(np.isnan(leads), np.inf, leads) / np.sqrt(np.maximum(variances + variances[at], MIN_DEVIATION**2))
    z[at] = np.inf  # it leads itself by nothing
    return float(z.min())
