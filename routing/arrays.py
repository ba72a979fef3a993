"""Array types of the routing mathematics, and the check on shapes.

Axes are named in docstrings: (n_inputs, n_models) and so on. Embeddings are float32 because the index is; everything
summed or averaged is float64, so that the order of summation cannot change a decision.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from routing.errors import ShapeError

Embeddings: TypeAlias = NDArray[np.float32]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


def check_same_shape(name: str, array: NDArray[Any], like: NDArray[Any]) -> None:
    """Raise ShapeError, naming the argument, unless both arrays have the same shape."""
    if array.shape != like.shape:
        raise ShapeError(f"{name} has shape {array.shape}, expected {like.shape}")


def unit_rows(array: NDArray[Any]) -> Embeddings:
    """Return the rows scaled to unit length, as float32. A zero row stays zero.

    array: (n, dim). Returns (n, dim).
    """
    rows = np.asarray(array, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    # Dividing a zero row by 1 keeps it zero; 0 / 0 would be NaN, which the index refuses.
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def sum_groups(values: NDArray[Any], groups: Ints, n_groups: int) -> Floats:
    """Return the sums of rows by group, (n_groups, width); to the last bit as if rows were added one after another.

    values: (n, width). groups: (n,) the group of each row. np.add.at would take ten times as long.
    """
    sums = np.zeros((n_groups, values.shape[1]))
    if values.shape[1] == 1:
        # numpy sums a single column pairwise, in another order.
        np.add.at(sums, groups, values)
        return sums
    order, ends = np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups, minlength=n_groups))
    for group, rows in enumerate(np.split(order, ends[:-1])):
        sums[group] = np.ascontiguousarray(values[rows]).sum(axis=0, dtype=np.float64)
    return sums


def multiply_rows(rows: Floats, matrix: Floats) -> Floats:
    """Return rows @ matrix, (n, m), each row to the last bit as it is alone.

    The last bits of a product depend on its size. What is stored of a task must not depend on which other tasks were
    in its batch, so every row is a product of its own; numpy's stacked product makes them without a call for each.
    rows: (n, k). matrix: (k, m).
    """
    return np.asarray((rows[:, None, :] @ matrix)[:, 0])
