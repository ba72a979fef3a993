"""Task state as sums, so that adding an input is one increment, on one machine or on a hundred."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from routing.arrays import Embeddings, Floats, Ints, check_same_shape
from routing.auto.fit import AutoFit
from routing.auto.posterior import AccuracyPosterior
from routing.calibration import Calibration, RoutingSettings
from routing.scores import TaskScores, mean_known, s3

AT_ONCE = 64
"""Tasks whose priors are computed in one go: more gain nothing, and need memory."""


@dataclass(frozen=True, slots=True)
class InputEvidence:
    """Predictions for some inputs of a task.

    Attributes:
        g: (n_inputs, n_models), NaN where nothing near was measured.
        g_bar: (n_inputs, n_models), NaN likewise.
        distances: (n_inputs,) mean cosine distance to the kappa nearest benchmark inputs.
        vectors: (n_inputs, dim), unit length.
        wide: (n_inputs, n_models) as g, over the kappa nearest.
        membership: (n_inputs, n_features, n_datasets) how the inputs lie to the datasets' own; None where the pack
            cannot tell.
    """

    g: Floats
    g_bar: Floats
    distances: Floats
    vectors: Embeddings
    wide: Floats
    membership: Floats | None = None

    def __len__(self) -> int:
        return len(self.distances)

    @classmethod
    def join(cls, parts: "Sequence[InputEvidence]") -> "InputEvidence":
        """Return the evidence of all inputs of the parts, at least one, all of one pack."""
        if len(parts) == 1:
            return parts[0]
        memberships = [part.membership for part in parts if part.membership is not None]
        return cls(
            np.concatenate([part.g for part in parts]),
            np.concatenate([part.g_bar for part in parts]),
            np.concatenate([part.distances for part in parts]),
            np.concatenate([part.vectors for part in parts]),
            np.concatenate([part.wide for part in parts]),
            np.concatenate(memberships) if memberships else None,
        )

    def select_rows(self, rows: Ints) -> "InputEvidence":
        """Return the evidence of some of the inputs."""
        membership = None if self.membership is None else self.membership[rows]
        return InputEvidence(
            self.g[rows], self.g_bar[rows], self.distances[rows], self.vectors[rows], self.wide[rows], membership
        )


@dataclass(frozen=True, slots=True)
class TaskState:
    """Sums over a task's inputs so far.

    Attributes:
        n: number of inputs.
        g_sum: (n_models,) sum of g.
        g_bar_sum: (n_models,) sum of g_bar.
        counts: (n_models,) inputs with a prediction.
        distance_sum: sum of the distances.
        embedding_sum: (dim,) sum of the embeddings.
        wide_sum: (n_models,) sum of the mean outcome over the kappa nearest.
        wide_counts: (n_models,) inputs with one.
        membership: (n_features, n_datasets) sum of the inputs' membership; None without any.
    """

    n: int
    g_sum: Floats
    g_bar_sum: Floats
    counts: Floats
    distance_sum: float
    embedding_sum: Floats
    wide_sum: Floats
    wide_counts: Floats
    membership: Floats | None = None

    @classmethod
    def empty_state(cls, n_models: int, dim: int) -> "TaskState":
        """Return the state of a task without inputs."""
        none = np.zeros(n_models)
        return cls(0, none, none, none, 0.0, np.zeros(dim), none, none)

    @classmethod
    def from_evidence(cls, evidence: InputEvidence) -> "TaskState":
        """Return the state of a task with exactly these inputs."""
        known, known_wide = ~np.isnan(evidence.g), ~np.isnan(evidence.wide)
        return cls(
            n=len(evidence),
            # Sums and counts per model: a model without an outcome near an input must not be scored 0 there.
            g_sum=np.where(known, evidence.g, 0.0).sum(axis=0),
            g_bar_sum=np.where(known, evidence.g_bar, 0.0).sum(axis=0),
            counts=known.sum(axis=0).astype(np.float64),
            distance_sum=float(evidence.distances.sum()),
            # float64: a sum of 10^6 float32 vectors would depend on the order in which inputs arrive.
            embedding_sum=evidence.vectors.sum(axis=0, dtype=np.float64),
            wide_sum=np.where(known_wide, evidence.wide, 0.0).sum(axis=0),
            wide_counts=known_wide.sum(axis=0).astype(np.float64),
            membership=None if evidence.membership is None else evidence.membership.sum(axis=0),
        )

    def add_input(self, evidence: InputEvidence, place: int) -> "TaskState":
        """Return the state with one more of some inputs: to the last bit, the sum with `from_evidence` of it alone.

        A live task adds every input so; the general sums take several times as long for a single row. Raises ShapeError
        if the evidence belongs to another pack.
        """
        g, wide, vector = evidence.g[place], evidence.wide[place], evidence.vectors[place]
        check_same_shape("g", g, self.g_sum)
        check_same_shape("vectors", vector, self.embedding_sum)
        unknown, unknown_wide = np.isnan(g), np.isnan(wide)
        member = None if evidence.membership is None else evidence.membership[place]
        return TaskState(
            self.n + 1,
            self.g_sum + np.where(unknown, 0.0, g),
            self.g_bar_sum + np.where(unknown, 0.0, evidence.g_bar[place]),
            self.counts + ~unknown,
            self.distance_sum + float(evidence.distances[place]),
            self.embedding_sum + vector.astype(np.float64),
            self.wide_sum + np.where(unknown_wide, 0.0, wide),
            self.wide_counts + ~unknown_wide,
            _add_known(self.membership, member),
        )

    def __add__(self, other: "TaskState") -> "TaskState":
        """Return the state of both sets of inputs together. Raises ShapeError if they belong to different packs."""
        check_same_shape("g_sum", other.g_sum, self.g_sum)
        check_same_shape("embedding_sum", other.embedding_sum, self.embedding_sum)
        return TaskState(
            self.n + other.n,
            self.g_sum + other.g_sum,
            self.g_bar_sum + other.g_bar_sum,
            self.counts + other.counts,
            self.distance_sum + other.distance_sum,
            self.embedding_sum + other.embedding_sum,
            self.wide_sum + other.wide_sum,
            self.wide_counts + other.wide_counts,
            _add_known(self.membership, other.membership),
        )

    @property
    def mean_distance(self) -> float:
        """u(d'), eq. 8; NaN for a task without inputs."""
        return self.distance_sum / self.n if self.n else float("nan")

    def prior_accuracies(self, fit: AutoFit, columns: list[int], known_dataset: int | None = None) -> AccuracyPosterior:
        """Return the candidates' accuracies before any label; see `prior_accuracies_of`."""
        return prior_accuracies_of((self,), fit, columns, known_dataset)[0]

    def auto_features(self, columns: list[int]) -> tuple[Floats, Floats]:
        """Return the task's mean embedding, and the mean outcome over its kappa nearest for some models."""
        return self.embedding_sum / max(1, self.n), mean_known(self.wide_sum[columns], self.wide_counts[columns])


def prior_accuracies_of(
    states: Sequence[TaskState], fit: AutoFit, columns: list[int], known_dataset: int | None = None
) -> list[AccuracyPosterior]:
    """Return the candidates' accuracies on every task before any label, to the last bit as each is alone.

    columns: those the fit was made for. known_dataset: index of the dataset that the tasks are declared to be; their
    inputs then do not count, and none are needed.
    """
    found: list[AccuracyPosterior] = []
    for start in range(0, len(states), AT_ONCE):
        some = states[start : start + AT_ONCE]
        features = [state.auto_features(columns) for state in some]
        centres, near = np.array([centre for centre, _ in features]), np.array([near for _, near in features])
        memberships = fit.judge_tasks([state.membership for state in some], known_dataset, centres)
        found += fit.prior_accuracies(centres, near, memberships)
    return found


def _add_known(one: Floats | None, other: Floats | None) -> Floats | None:
    """Return the sum; what is None, from inputs of a pack that cannot tell, adds nothing."""
    if one is None or other is None:
        return other if one is None else one
    check_same_shape("membership", other, one)
    return one + other


def score_task(
    state: TaskState,
    names: tuple[str, ...],
    columns: list[int],
    calibration: Calibration | None,
    routing: RoutingSettings,
    posterior: AccuracyPosterior | None = None,
) -> TaskScores:
    """Return S1, S2, p and S3 of the candidates (eq. 1, 2, 10, 5).

    names: every model of the benchmark. columns: the candidates, best on average first. calibration: pairs of these
    alone, in this order; None to leave p and S3 unknown, NaN, for `add_reliability`. posterior: their accuracies by
    `auto`; None if the score is another.
    """
    counts, unknown = state.counts[columns], np.full(len(columns), np.nan)
    scores = TaskScores(
        models=tuple(names[column] for column in columns),
        n=state.n,
        distance=state.mean_distance,
        s1=mean_known(state.g_sum[columns], counts),
        s2=mean_known(state.g_bar_sum[columns], counts),
        s3=unknown,
        reliability=unknown,
        counts=counts,
        posterior=posterior,
    )
    return scores if calibration is None else add_reliability(scores, calibration, routing)


def add_reliability(scores: TaskScores, calibration: Calibration, routing: RoutingSettings) -> TaskScores:
    """Return scores with p and S3 (eq. 10, 5). calibration: pairs of the candidates alone, in their order."""
    # Without inputs or pairs nothing is known of p; at 0.5 every S3 is 0.5 and m* stays (eq. 5).
    reliability = np.full(len(scores.models), 0.5)
    if scores.n and len(calibration.distances):
        reliability = calibration.reliability_at(scores.distance, routing.sigma)
    return replace(scores, reliability=reliability, s3=s3(scores.s2, reliability))
