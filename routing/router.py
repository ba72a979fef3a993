"""A pack in use: a task's inputs in, scores and a decision out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from routing.arrays import Embeddings, Floats, Ints, sum_groups
from routing.auto.explanation import explain_fit
from routing.auto.feedback import Feedback
from routing.auto.fit import AutoFit, fit_auto
from routing.auto.labelling import TaskLabelling
from routing.auto.membership import N_FEATURES
from routing.auto.membership_summary import MembershipSummary, summarise_membership
from routing.auto.posterior import AccuracyPosterior, JudgedLabels
from routing.auto.training_data import TrainingData
from routing.calibration import Calibration, RoutingSettings
from routing.decision import CostPreference, RoutingDecision, make_decision
from routing.errors import PackMismatch
from routing.neighbours import Neighbours
from routing.neighbours.exact import ExactIndex
from routing.pack import Pack
from routing.predictor import predict_correct, predict_outcomes
from routing.recommendation import recommend_score
from routing.scores import ScoreKind, TaskScores
from routing.task import InputEvidence, TaskState, add_reliability, prior_accuracies_of, score_task

MAX_FITS = 100
"""Sets of candidates whose fits and calibration are cached; a gateway has a few."""


MAX_EXACT = 4096
"""Inputs of a pack up to which exact search takes less time than the graph: a sixth of it at 1,500."""


class Router:
    """Evidence, scores and decisions of tasks from one pack."""

    def __init__(
        self, pack: Pack, settings: RoutingSettings | None = None, neighbours: Neighbours | None = None
    ) -> None:
        """settings: the paper's parameters by default.

        neighbours: by default the pack's HNSW index, or exact search where it is faster.
        """
        self.pack = pack
        self.settings = settings or RoutingSettings()
        self.recommendation = recommend_score(pack.report, pack.training_data is not None)
        """The score that `recommended` stands for with this pack."""
        self._neighbours: Neighbours = neighbours or _faster_index(pack)
        self._names = pack.manifest.model_names
        self._columns = {name: column for column, name in enumerate(self._names)}
        self._outcomes = pack.filled_outcomes()
        self._centres = _dataset_centres(pack)
        self._fits: dict[tuple[str, ...], AutoFit] = {}
        self._pairs: dict[tuple[str, ...], Calibration] = {}

    def empty_state(self) -> TaskState:
        """Return the state of a task without inputs."""
        return TaskState.empty_state(len(self._names), self._neighbours.dim)

    @property
    def model_names(self) -> tuple[str, ...]:
        """The pack's models, in its order."""
        return self._names

    @property
    def membership_shape(self) -> tuple[int, int] | None:
        """Shape of a task's sums of membership, (n_features, n_datasets); None where the pack has no references."""
        data = self.pack.training_data
        return None if data is None or data.membership is None else (N_FEATURES, len(data.centres))

    def find_evidence(self, vectors: Embeddings) -> InputEvidence:
        """Return g, g_bar and distance of a task's inputs (eq. 7, 2, 9).

        vectors: (n_inputs, dim), unit length. Raises NeighboursError for another dimension or a NaN.
        """
        kappa = min(self.settings.kappa, self._neighbours.size)
        k = min(self.settings.k, self._neighbours.size)
        # One search of the larger count serves prediction (k, eq. 7) and distance (kappa, eq. 9): the search is the
        # expensive part.
        rows, distances = self._neighbours.find_nearest(vectors, max(k, kappa))
        g = predict_outcomes(self._outcomes, rows[:, :k])
        g_bar = predict_correct(g, self.settings.threshold)
        # The wider mean is what auto's neighbour view uses: over 19 inputs it is less noisy than over 5.
        wide = predict_outcomes(self._outcomes, rows[:, :kappa])
        data = self.pack.training_data
        model = data.membership if data else None
        membership = model.find_features(vectors) if model else None
        return InputEvidence(g, g_bar, distances[:, :kappa].mean(axis=1), vectors, wide, membership)

    def find_nearest(self, vectors: Embeddings) -> tuple[Ints, Floats]:
        """Return the k benchmark inputs that a prediction is based on: rows and cosine distances, both (n_inputs, k).

        vectors: (n_inputs, dim), unit length. Raises NeighboursError as `find_evidence` does.
        """
        return self._neighbours.find_nearest(vectors, min(self.settings.k, self._neighbours.size))

    def select_candidates(self, names: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return the names that the pack contains, best on average first; all of its models for None."""
        known = self.pack.manifest.on_average
        if names is None:
            return known
        chosen = set(names)
        return tuple(name for name in known if name in chosen)

    def score_task(
        self,
        state: TaskState,
        candidates: Sequence[str],
        score: ScoreKind = ScoreKind.S3,
        labels: Floats | None = None,
        feedback: Feedback | None = None,
        known_dataset: str | None = None,
        judged: Sequence[JudgedLabels] = (),
    ) -> TaskScores:
        """Return S1, S2, S3 and p of the candidates on a task; with ScoreKind.AUTO, the posterior of their accuracies
        too.

        candidates: as `select_candidates` gives them. labels: (n_labelled, n_models) outcomes on inputs of the task
        itself, in the order of the pack's models, NaN where a model was not asked. feedback: columns in the same
        order. known_dataset: name of the dataset that the task is declared to be; `auto` then decides from the first
        call on. judged: labels of judge models, in the same order. Raises PackMismatch for a pack without auto.npz, or
        without the dataset.
        """
        known = TaskLabelling(labels, feedback, judged)
        return self.score_tasks((state,), candidates, score, (known,), known_dataset)[0]

    def score_tasks(
        self,
        states: Sequence[TaskState],
        candidates: Sequence[str],
        score: ScoreKind,
        labelled: Sequence[TaskLabelling],
        known_dataset: str | None = None,
        *,
        needs_s3: bool = True,
    ) -> list[TaskScores]:
        """Return the scores of several tasks, to the last bit as `score_task` gives them one by one.

        Much of a task's posterior is the same work for all: together, twenty take a fifth of the time. labelled: of
        each task. The other arguments are `score_task`'s, for all tasks. needs_s3: False leaves p and S3 to
        `add_reliability`; a decision by another score needs neither. Raises what `score_task` does.
        """
        columns = [self._columns[name] for name in candidates]
        posteriors: list[AccuracyPosterior | None] = [None] * len(states)
        if score is ScoreKind.AUTO:
            place = None if known_dataset is None else self.dataset_index(known_dataset)
            judged = [at for at, state in enumerate(states) if state.n or place is not None]
            priors = prior_accuracies_of(
                [states[at] for at in judged], self.fit_auto(tuple(candidates)), columns, place
            )
            for at, prior in zip(judged, priors, strict=True):
                posteriors[at] = labelled[at].condition(prior, columns)
        pairs = self._calibration_of(tuple(candidates), columns) if needs_s3 else None
        return [
            score_task(state, self._names, columns, pairs, self.settings, posterior)
            for state, posterior in zip(states, posteriors, strict=True)
        ]

    def add_reliability(self, scores: TaskScores) -> TaskScores:
        """Return scores with p and S3, where `score_tasks` was not asked for them."""
        pairs = self._calibration_of(scores.models, [self._columns[name] for name in scores.models])
        return add_reliability(scores, pairs, self.settings)

    def _calibration_of(self, candidates: tuple[str, ...], columns: list[int]) -> Calibration:
        """Return the pairs of the candidates alone: a pack may have a hundred models, of which a gateway uses a few."""
        found = self._pairs.get(candidates)
        if found is None:
            if len(self._pairs) >= MAX_FITS:
                self._pairs.clear()
            found = self._pairs[candidates] = self.pack.calibration.select_models(columns)
        return found

    def dataset_index(self, name: str) -> int:
        """Return the place of a dataset. Raises PackMismatch if the pack has none of that name."""
        place = self.pack.manifest.find_dataset(name)
        if place is None:
            raise PackMismatch(self.pack.manifest.describe_unknown_dataset(name))
        return place

    def fit_auto(self, candidates: tuple[str, ...]) -> AutoFit:
        """Return the fit of auto for these candidates. Raises PackMismatch for a pack without auto.npz."""
        data = self.require_training_data()
        if candidates not in self._fits:
            if len(self._fits) >= MAX_FITS:
                # Cleared as a whole: sets of candidates change only with the configuration, so this is rare.
                self._fits.clear()
            self._fits[candidates] = fit_auto(data, [self._names.index(name) for name in candidates])
        return self._fits[candidates]

    def require_training_data(self) -> TrainingData:
        """Return the training data of auto. Raises PackMismatch for a pack without auto.npz."""
        if self.pack.training_data is None:
            name = self.pack.manifest.name
            raise PackMismatch(f"pack {name} has no auto.npz, which `score: auto` requires: rebuild the pack")
        return self.pack.training_data

    def explain_auto(self, state: TaskState, scores: TaskScores, decision: RoutingDecision) -> dict[str, Any] | None:
        """Explain auto's expectations of the leader and of its baseline; None for another score."""
        if scores.posterior is None:
            return None
        columns = [self._names.index(name) for name in scores.models]
        datasets = [dataset.name for dataset in self.pack.manifest.datasets]
        pair = scores.models.index(decision.leader), scores.models.index(decision.baseline)
        centre, near = state.auto_features(columns)
        return explain_fit(self.fit_auto(scores.models), centre, near, scores.posterior, datasets, pair)

    def summarise_membership(
        self, scores: TaskScores, chosen: str, declared: str | None = None
    ) -> MembershipSummary | None:
        """Return the datasets that a task's inputs match, or that it matches none; None without a posterior, or where
        the pack cannot tell. declared: the dataset that the task is declared to be.
        """
        if scores.posterior is None:
            return None
        datasets = [dataset.name for dataset in self.pack.manifest.datasets]
        fit = self.fit_auto(scores.models)
        return summarise_membership(fit, scores.posterior, datasets, scores.models, chosen, declared)

    def make_decision(
        self,
        scores: TaskScores,
        current: str | None = None,
        score: ScoreKind = ScoreKind.S3,
        preference: CostPreference | None = None,
    ) -> RoutingDecision:
        """Apply eq. 6 with this router's eta."""
        return make_decision(scores, self.settings.eta, current, score, preference)

    def nearest_datasets(self, state: TaskState, count: int = 3) -> list[tuple[str, float]]:
        """Return the datasets whose mean embeddings are nearest to the task's, each with the cosine."""
        length = float(np.linalg.norm(state.embedding_sum))
        if length == 0:
            return []
        cosines = self._centres @ (state.embedding_sum / length)
        order = np.argsort(-cosines, kind="stable")[:count]
        return [(self.pack.manifest.datasets[place].name, float(cosines[place])) for place in order]


def _faster_index(pack: Pack) -> Neighbours:
    return ExactIndex(pack.embeddings, one_by_one=True) if pack.index.size <= MAX_EXACT else pack.index


def _dataset_centres(pack: Pack) -> Embeddings:
    """Return the mean embedding of each dataset, scaled to unit length. (n_datasets, dim)"""
    sums = sum_groups(np.asarray(pack.embeddings), pack.dataset_ids, len(pack.manifest.datasets))
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.where(lengths > 0, lengths, 1))
