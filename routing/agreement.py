"""Agreement of decisions under two embeddings of the same inputs: is a smaller embedder the same to a task?

A few inputs of each dataset are a task twice: a known one, among all other inputs, and a new one, with its dataset held
out. Both embeddings of the task are searched in the same pack, and each score decides on both. Neighbours can change
without a consequence; only another model is one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.calibration import RoutingSettings
from routing.neighbours.exact import most_similar
from routing.neighbours.grouped import GroupedLists
from routing.neighbours.stored import search_lists
from routing.pack import Pack
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import TaskState

MAX_TASKS = 30
MAX_INPUTS = 300
MIN_TASK_INPUTS = 10


@dataclass(frozen=True, slots=True)
class DecisionAgreement:
    """Decisions compared.

    Attributes:
        n: number of decisions.
        n_equal: those with the same model.
        loss: accuracy lost by the others, mean over all decisions; negative where they gain.
    """

    n: int
    n_equal: int
    loss: float

    @property
    def share(self) -> float:
        """Share of equal decisions, in [0, 1]; 1 where there are none."""
        return self.n_equal / self.n if self.n else 1.0


class DecisionSample:
    """Tasks made of a pack's own inputs, and their decisions under the pack's embeddings.

    Attributes:
        rows: (n_sampled,) the inputs of all tasks, ascending.
        lists: of a large pack; None of one that is searched exactly.
    """

    def __init__(self, pack: Pack, routing: RoutingSettings) -> None:
        """routing: the parameters that the pack was built with."""
        self._pack = pack
        self.lists = search_lists(pack.index, pack.dataset_ids)
        self._search = _ExcludingSearch(pack, self.lists)
        self._router = Router(pack, routing, self._search)
        self.rows = sample_rows(pack.dataset_ids)
        self._before = list(self._decisions(pack.embeddings[self.rows]))

    def compare(self, again: Embeddings) -> DecisionAgreement:
        """Compare the decisions under another embedding of the inputs at `rows`, (n_sampled, dim)."""
        changed = [
            (dataset, before, after)
            for (dataset, before), (_, after) in zip(self._before, self._decisions(again), strict=True)
            if before != after
        ]
        averages = self._averages()
        lost = sum(averages[dataset, before] - averages[dataset, after] for dataset, before, after in changed)
        n = len(self._before)
        return DecisionAgreement(n, n - len(changed), float(lost) / max(1, n))

    def _averages(self) -> Floats:
        """Return each model's accuracy on each dataset, 0 where it has no outcome. (n_datasets, n_models)"""
        data = self._pack.training_data
        if data is None:
            return np.zeros((len(self._pack.manifest.datasets), len(self._pack.manifest.models)))
        return np.nan_to_num(data.averages)

    def _decisions(self, vectors: Embeddings) -> Iterator[tuple[int, int]]:
        """Yield dataset and chosen column of every task and score. vectors: (n_sampled, dim)."""
        ids = self._pack.dataset_ids
        names, candidates = self._pack.manifest.model_names, self._router.select_candidates()
        scores = [score for score in ScoreKind if score is not ScoreKind.AUTO or self._pack.training_data is not None]
        for dataset in np.unique(ids[self.rows]):
            places = np.flatnonzero(ids[self.rows] == dataset)
            # A new task's neighbours are outside its dataset, a known one's are all but the input itself.
            self._search.rows = self.rows[places]
            for excluded in (int(dataset), None):
                self._search.dataset = excluded
                if not self._search.count_left():
                    continue
                state = TaskState.from_evidence(self._router.find_evidence(vectors[places]))
                for score in scores:
                    scored = self._router.score_task(state, candidates, score)
                    yield int(dataset), names.index(self._router.make_decision(scored, score=score).model)


def sample_rows(dataset_ids: Ints) -> Ints:
    """Return inputs of at most MAX_TASKS datasets, evenly spread over each, ascending; about MAX_INPUTS in all."""
    datasets = np.unique(dataset_ids)
    chosen = datasets[np.linspace(0, len(datasets) - 1, min(MAX_TASKS, len(datasets))).astype(int)]
    count = max(MIN_TASK_INPUTS, MAX_INPUTS // len(chosen))
    found = []
    for dataset in chosen:
        rows = np.flatnonzero(dataset_ids == dataset)
        found.append(rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)])
    return np.sort(np.concatenate(found))


class _ExcludingSearch:
    """Search among all of a pack's inputs but some of each query's: exact, in a large pack in its lists.

    Attributes:
        dataset: whose inputs may not be found; None where each query is one of the pack's inputs that may not find
            itself. Set before each search, as is `rows`.
        rows: (n_queries,) the queries' own rows.
    """

    def __init__(self, pack: Pack, lists: GroupedLists | None) -> None:
        self._vectors, self._ids, self._lists = pack.embeddings, pack.dataset_ids, lists
        self.dim, self.size = int(pack.embeddings.shape[1]), len(pack.embeddings)
        self.dataset: int | None = None
        self.rows: Ints = np.empty(0, dtype=np.int64)

    def count_left(self) -> int:
        """Return how many inputs each query may find."""
        return self.size - (1 if self.dataset is None else int((self._ids == self.dataset).sum()))

    def find_nearest(self, queries: Embeddings, count: int) -> tuple[Ints, Floats]:
        """Return rows and distances, nearest first, both (n, count) or fewer where fewer are left."""
        count = min(count, self.count_left())
        if self._lists is None:
            similarity = queries @ self._vectors.T
            if self.dataset is None:
                similarity[np.arange(len(queries)), self.rows] = -np.inf
            else:
                similarity[:, self._ids == self.dataset] = -np.inf
            return most_similar(similarity, count)
        if self.dataset is None:
            return self._lists.find_others(queries, count, self.rows)
        return self._lists.find_outside(queries, count, np.full((len(queries), 1), self.dataset))
