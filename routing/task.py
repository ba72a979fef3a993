"""A task's state is a sum, so that adding an input is one increment, on one machine or on a hundred."""

from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, same_shape
from routing.calibration import Calibration, RoutingSettings
from routing.scores import TaskScores, mean_known, s3


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a benchmark says about some inputs of a task.

    g, g_bar: (n_inputs, n_models), NaN where nothing near was measured.
    distances: (n_inputs,) mean cosine distance to the kappa nearest benchmark inputs.
    vectors: (n_inputs, dim), unit length.
    """

    g: Floats
    g_bar: Floats
    distances: Floats
    vectors: Embeddings

    def __len__(self) -> int:
        return len(self.distances)


@dataclass(frozen=True, slots=True)
class TaskState:
    """The sums over a task's inputs so far.

    g_sum, g_bar_sum, counts: (n_models,); distance_sum: scalar; embedding_sum: (dim,).
    """

    n: int
    g_sum: Floats
    g_bar_sum: Floats
    counts: Floats
    distance_sum: float
    embedding_sum: Floats

    @classmethod
    def empty(cls, n_models: int, dim: int) -> "TaskState":
        """The state of a task nobody has called yet."""
        return cls(0, np.zeros(n_models), np.zeros(n_models), np.zeros(n_models), 0.0, np.zeros(dim))

    @classmethod
    def of(cls, evidence: Evidence) -> "TaskState":
        """The state of a task with exactly these inputs."""
        known = ~np.isnan(evidence.g)
        return cls(
            n=len(evidence),
            g_sum=np.where(known, evidence.g, 0.0).sum(axis=0),
            g_bar_sum=np.where(known, evidence.g_bar, 0.0).sum(axis=0),
            counts=known.sum(axis=0).astype(np.float64),
            distance_sum=float(evidence.distances.sum()),
            embedding_sum=evidence.vectors.sum(axis=0, dtype=np.float64),
        )

    def __add__(self, other: "TaskState") -> "TaskState":
        """The state of both halves together. Raises ShapeError if they belong to different packs."""
        same_shape("g_sum", other.g_sum, self.g_sum)
        same_shape("embedding_sum", other.embedding_sum, self.embedding_sum)
        return TaskState(
            self.n + other.n,
            self.g_sum + other.g_sum,
            self.g_bar_sum + other.g_bar_sum,
            self.counts + other.counts,
            self.distance_sum + other.distance_sum,
            self.embedding_sum + other.embedding_sum,
        )

    @property
    def distance(self) -> float:
        """u(d'), eq. 8; NaN for a task without inputs."""
        return self.distance_sum / self.n if self.n else float("nan")


def task_scores(
    state: TaskState, names: tuple[str, ...], columns: list[int], calibration: Calibration, routing: RoutingSettings
) -> TaskScores:
    """S1, S2, p and S3 of the candidates (eq. 1, 2, 10, 5).

    names: every model of the benchmark. columns: the candidates, best on average first.
    """
    s2 = mean_known(state.g_bar_sum, state.counts)[columns]
    reliability = np.full(len(columns), 0.5)
    if state.n and len(calibration.distances):
        reliability = calibration.reliability(state.distance, routing.sigma)[columns]
    return TaskScores(
        models=tuple(names[column] for column in columns),
        n=state.n,
        distance=state.distance,
        s1=mean_known(state.g_sum, state.counts)[columns],
        s2=s2,
        s3=s3(s2, reliability),
        reliability=reliability,
        counts=state.counts[columns],
    )
