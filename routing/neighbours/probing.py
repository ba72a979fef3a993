"""How many inverted lists a query reads: as many as find 97 % of the nearest of a sample of the indexed inputs.

Each sampled input is asked twice: as an input of a known task, where only it is left out, and as one of a new task,
where its whole dataset is. A neighbour is found if its list is among those read, so that one exact search of the sample
tells the recall of every number of lists.
"""

from dataclasses import dataclass

import numpy as np

from routing.arrays import Embeddings, Floats, Ints
from routing.neighbours.ivf import InvertedLists
from routing.neighbours.kmeans import BLOCK_CELLS, SEED, round_to_grid
from routing.parallel import run_blocks

SAMPLED, NEAREST = 500, 19
LEAST_RECALL = 0.97
LARGEST_SHARE = 0.25
"""Share of the lists beyond which reading all of them, one after another, costs hardly more."""


@dataclass(frozen=True, slots=True)
class ProbeChoice:
    """The number of lists that a query reads, and its recall on the sample.

    Attributes:
        n_probe: lists.
        recall_known: share of the NEAREST found where only the input itself is left out; None for no such input.
        recall_new: where its dataset is left out.
        is_exhaustive: True where no fewer lists reach LEAST_RECALL, and all are read: the search is exact.
    """

    n_probe: int
    recall_known: float | None
    recall_new: float | None
    is_exhaustive: bool


def choose_probes(vectors: Embeddings, lists: InvertedLists, dataset_ids: Ints, threads: int = 1) -> ProbeChoice:
    """Choose the number of lists to read. vectors: (n, dim), unit length. dataset_ids: (n,)."""
    drawn = np.sort(np.random.default_rng(SEED).permutation(len(vectors))[:SAMPLED])
    ids = np.unique(dataset_ids, return_inverse=True)[1]
    # Each sampled input by itself, and all of its dataset: what may not be found.
    groups, curves = [np.arange(len(vectors)), ids], [np.empty(0)] * 2

    def find_recalls(some: slice) -> None:
        curves[some.start] = _find_recalls(vectors, lists, drawn, groups[some.start])

    run_blocks(find_recalls, len(groups), 1, threads)
    known = [curve for curve in curves if len(curve)]
    needed = max((int((curve < LEAST_RECALL).sum()) + 1 for curve in known), default=1)
    is_exhaustive = needed > LARGEST_SHARE * len(lists.centres)
    n_probe = len(lists.centres) if is_exhaustive else needed
    recalls = [float(curve[n_probe - 1]) if len(curve) else None for curve in curves]
    return ProbeChoice(n_probe, recalls[0], recalls[1], is_exhaustive)


def _find_recalls(vectors: Embeddings, lists: InvertedLists, drawn: Ints, groups: Ints) -> Floats:
    """Return the recall of the sample for 1, 2, … lists read, (n_lists,); empty where nothing may be found.

    drawn: (n_sampled,) rows. groups: (n,) an input may not find those of its own group.
    """
    queries = vectors[drawn]
    true = _find_true(vectors, drawn, groups)
    left = (true >= 0).any(axis=1)
    if not left.any():
        return np.empty(0)
    own, counts = lists.assignment(), np.diff(lists.starts)
    found = []
    for query, group, rows in zip(queries[left], groups[drawn][left], true[left], strict=True):
        sizes = counts - np.bincount(own[groups == group], minlength=len(counts))
        order = np.argsort(-lists.rank_lists(query[None], sizes)[0], kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        found.append(rank[own[rows[rows >= 0]]])
    ranks = np.concatenate(found)
    return np.asarray(np.cumsum(np.bincount(ranks, minlength=len(lists.centres))) / len(ranks))


def _find_true(vectors: Embeddings, drawn: Ints, groups: Ints) -> Ints:
    """Return the exact nearest of each sampled input outside its group, (n_sampled, NEAREST), -1 for none.

    On the grid, so that they are the same on every machine.
    """
    queries = round_to_grid(vectors[drawn])
    best = np.full((len(drawn), NEAREST), -np.inf, dtype=np.float32)
    rows = np.full((len(drawn), NEAREST), -1, dtype=np.int64)
    block = max(NEAREST, BLOCK_CELLS // max(len(drawn), vectors.shape[1]))
    for start in range(0, len(vectors), block):
        some = slice(start, min(len(vectors), start + block))
        similarity = queries @ round_to_grid(vectors[some]).T
        similarity[groups[some] == groups[drawn][:, None]] = -np.inf
        # The nearest of the block first: few numbers are left to merge.
        kept = _largest(similarity)
        similarity, places = np.take_along_axis(similarity, kept, axis=1), kept + start
        similarity, places = np.hstack([best, similarity]), np.hstack([rows, places])
        kept = _largest(similarity)
        best, rows = np.take_along_axis(similarity, kept, axis=1), np.take_along_axis(places, kept, axis=1)
    return np.where(np.isfinite(best), rows, -1)


def _largest(similarity: Embeddings) -> Ints:
    """Return the columns of the NEAREST largest of each row, in any order; all, where there are fewer."""
    return np.asarray(np.argpartition(-similarity, min(NEAREST, similarity.shape[1]) - 1, axis=1)[:, :NEAREST])
