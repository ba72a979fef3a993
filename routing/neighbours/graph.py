"""An HNSW graph without its vectors, as small arrays; and put together with the vectors again.

hnswlib keeps its nodes as records of one size: the number of links (16 bits of 4 bytes), room for 2 M links, the
float32 vector, and the row (8 bytes). Vectors are most of it, and much of the rest is room that no link uses.

| array  | shape          | content                                                             |
|--------|----------------|---------------------------------------------------------------------|
| labels | (n,)           | the row of each node                                                |
| counts | (n,)           | links of each node                                                  |
| links  | (sum(counts),) | nodes they lead to, in the nodes' order                             |
| levels | (n,)           | highest layer of each node                                          |
| upper  | (n_bytes,)     | links in the layers above the lowest, as hnswlib has them           |
| state  | (n_numbers,)   | hnswlib's numbers, in the order of NUMBERS                          |
| level_multiplier | ()   | its 1 / ln(M)                                                       |
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, unit_rows

NUMBERS = (
    "ser_version",
    "num_threads",
    "seed",
    "max_elements",
    "cur_element_count",
    "size_data_per_element",
    "label_offset",
    "offset_data",
    "max_level",
    "enterpoint_node",
    "max_M",
    "max_M0",
    "M",
    "ef_construction",
    "ef",
    "size_links_per_element",
)
FIXED = {
    "space": "cosine",
    "index_inited": True,
    "ep_added": True,
    "normalize": True,
    "offset_level0": 0,
    "has_deletions": False,
    "allow_replace_deleted": False,
}
"""Values that every graph built here has."""

COUNT_BYTES, LABEL_BYTES = 4, 8
MAX_M = 1024
"""More links than any graph was built with."""


SAME = 1e-6
"""Difference up to which two unit vectors are the same: hnswlib rounds a vector's length in its own way."""


def has_vectors(state: Mapping[str, Any], vectors: Embeddings) -> bool:
    """Return True if the graph was built over these vectors, (n, dim), up to their lengths."""
    offset, label, n = state["offset_data"], state["label_offset"], state["cur_element_count"]
    if vectors.shape != (n, (label - offset) // 4):
        return False
    nodes = state["data_level0"].view(np.uint8).reshape(state["max_elements"], -1)[:n]
    rows = _column(nodes, label, label + LABEL_BYTES, np.uint64)[:, 0].astype(np.int64)
    return bool(np.abs(_column(nodes, offset, label, np.float32) - unit_rows(vectors)[rows]).max(initial=0) <= SAME)


def strip_vectors(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays above. state: hnswlib's own, as pickle gets it."""
    n, offset, label = state["cur_element_count"], state["offset_data"], state["label_offset"]
    nodes = state["data_level0"].view(np.uint8).reshape(state["max_elements"], -1)[:n]
    counts = _column(nodes, 0, 2, np.uint16)[:, 0]
    links = _column(nodes, COUNT_BYTES, offset, np.uint32)
    # Room beyond the count holds links that were pruned: leaving it out makes the file smaller and loses nothing.
    used = links[np.arange(links.shape[1]) < counts[:, None]]
    smallest = np.min_scalar_type(n)
    return {
        "labels": _column(nodes, label, label + LABEL_BYTES, np.uint64)[:, 0].astype(smallest),
        "counts": counts,
        "links": used.astype(smallest),
        "levels": state["element_levels"][:n].astype(np.uint8),
        "upper": state["link_lists"].view(np.uint8),
        "state": np.array([state[name] for name in NUMBERS], dtype=np.int64),
        "level_multiplier": np.float64(state["mult"]),
    }


def join_vectors(graph: Mapping[str, NDArray[Any]], vectors: Embeddings) -> dict[str, Any]:
    """Return hnswlib's state. graph: the arrays above; vectors: (n, dim), those the graph was built over.

    Raises ValueError where graph and vectors do not match.
    """
    numbers = dict(zip(NUMBERS, graph["state"].tolist(), strict=True))
    labels, counts, links = graph["labels"].astype(np.int64), graph["counts"], graph["links"]
    n, offset, label = len(labels), numbers["offset_data"], numbers["label_offset"]
    room = (offset - COUNT_BYTES) // 4
    is_permutation = len(vectors) == n and np.array_equal(np.sort(labels), np.arange(n))
    if not is_permutation or label - offset != 4 * vectors.shape[1] or n != numbers["cur_element_count"]:
        raise ValueError(f"the graph has {n} nodes, the vectors have shape {vectors.shape}")
    _check_numbers(numbers, n, vectors.shape[1])
    if counts.max(initial=0) > room or int(counts.sum()) != len(links) or links.max(initial=0) >= n:
        raise ValueError("the graph's links lead out of it")
    levels = graph["levels"].astype(np.int64)
    check_upper(numbers, levels, np.frombuffer(graph["upper"].tobytes(), np.uint8))
    nodes = np.zeros((n, numbers["size_data_per_element"]), dtype=np.uint8)
    _column(nodes, 0, 2, np.uint16)[:, 0] = counts
    _column(nodes, COUNT_BYTES, offset, np.uint32)[np.arange(room) < counts[:, None]] = links
    # The cosine space stores unit vectors.
    _column(nodes, offset, label, np.float32)[:] = unit_rows(vectors)[labels]
    _column(nodes, label, label + LABEL_BYTES, np.uint64)[:, 0] = labels
    return {
        **FIXED,
        **numbers,
        # No room for more nodes: the graph is never added to.
        "max_elements": n,
        "dim": int(vectors.shape[1]),
        "mult": float(graph["level_multiplier"]),
        "data_level0": nodes.reshape(-1).view(np.int8),
        "link_lists": graph["upper"].view(np.int8),
        "element_levels": graph["levels"].astype(np.int32),
        "label_lookup_external": labels.astype(np.uint64),
        "label_lookup_internal": np.arange(n, dtype=np.uint32),
    }


def check_state(state: Mapping[str, Any], dim: int) -> None:
    """Check a graph of hnswlib's own file, which it searches without checks. Raises ValueError."""
    n = int(state["cur_element_count"])
    _check_numbers({name: int(state[name]) for name in NUMBERS}, n, dim)
    nodes = state["data_level0"].view(np.uint8).reshape(state["max_elements"], -1)[:n]
    counts = _column(nodes, 0, 2, np.uint16)[:, 0]
    links = _column(nodes, COUNT_BYTES, state["offset_data"], np.uint32)
    used = links[np.arange(links.shape[1]) < counts[:, None]]
    labels = _column(nodes, state["label_offset"], state["label_offset"] + LABEL_BYTES, np.uint64)[:, 0]
    if counts.max(initial=0) > links.shape[1] or used.max(initial=0) >= n or labels.max(initial=0) >= n:
        raise ValueError("the graph's links lead out of it")
    check_upper(state, state["element_levels"][:n].astype(np.int64), state["link_lists"].view(np.uint8))


def _check_numbers(numbers: Mapping[str, int], n: int, dim: int) -> None:
    """Check hnswlib's sizes against each other: it computes addresses from them. Raises ValueError."""
    m, offset = numbers["M"], numbers["offset_data"]
    expected = {
        "max_M": m,
        "max_M0": 2 * m,
        "offset_data": COUNT_BYTES + 4 * 2 * m,
        "label_offset": offset + 4 * dim,
        "size_data_per_element": offset + 4 * dim + LABEL_BYTES,
        "size_links_per_element": COUNT_BYTES + 4 * m,
        "cur_element_count": n,
    }
    wrong = [name for name, number in expected.items() if numbers[name] != number]
    if wrong or not 0 < m <= MAX_M or not 0 <= numbers["enterpoint_node"] < max(n, 1) or numbers["max_elements"] < n:
        raise ValueError(f"the graph's numbers do not fit each other: {', '.join(wrong) or 'M, entry point or size'}")


def check_upper(numbers: Mapping[str, Any], levels: NDArray[np.int64], upper: NDArray[np.uint8]) -> None:
    """Check the links above the lowest layer: each leads to a node that is in that layer too. Raises ValueError."""
    n, size, m = len(levels), int(numbers["size_links_per_element"]), int(numbers["M"])
    top = int(levels.max(initial=0))
    if levels.min(initial=0) < 0 or len(upper) != int(levels.sum()) * size or (n and top != numbers["max_level"]):
        raise ValueError("the graph's layers do not fit its nodes")
    if n and levels[int(numbers["enterpoint_node"])] != top:
        raise ValueError("the graph's entry point is not in its highest layer")
    lists = upper.reshape(-1, size)
    counts = _column(lists, 0, 2, np.uint16)[:, 0] if len(lists) else np.zeros(0, np.uint16)
    links = _column(lists, COUNT_BYTES, size, np.uint32) if len(lists) else np.zeros((0, m), np.uint32)
    # The layer of each list: a node of level 3 has lists of the layers 1, 2 and 3.
    layers = np.concatenate([np.arange(1, level + 1) for level in levels[levels > 0]] or [np.zeros(0, np.int64)])
    used = np.arange(m) < counts[:, None]
    if counts.max(initial=0) > m or links[used].max(initial=0) >= max(n, 1):
        raise ValueError("the graph's links lead out of it")
    if (levels[links[used].astype(np.int64)] < np.broadcast_to(layers[:, None], used.shape)[used]).any():
        raise ValueError("the graph's links lead to nodes that are not in their layer")


def _column(nodes: NDArray[np.uint8], start: int, stop: int, kind: Any) -> NDArray[Any]:
    """Return a view of the same bytes of every node as numbers."""
    count = (stop - start) // np.dtype(kind).itemsize
    return np.ndarray((len(nodes), count), kind, nodes.data, start, (nodes.strides[0], np.dtype(kind).itemsize))
