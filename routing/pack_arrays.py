"""Forms of a pack's large arrays on disk: as few bytes as hold them exactly.

embeddings.npy     int16 where that holds the vectors exactly (build_pack rounds them so), else float32; with inverted
                   lists always float32, which can be mapped
outcomes.npy       uint8 where every outcome is 0, 1 or missing (255); else the smallest float, NaN = missing
dataset_ids.npy    the smallest unsigned integer
calibration.npz    compressed
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, Floats, Ints
from routing.bounded_arrays import load_npy, load_npz
from routing.calibration import Calibration

MAX_INTEGER = 32767
MISSING = 255
"""A missing outcome among bytes."""
BLOCK_ROWS = 50_000
FLOAT_TYPES = (np.float16, np.float32)


def round_vectors(vectors: Embeddings) -> Embeddings:
    """Return the vectors as a pack stores them, of unit length, as float32. (n_inputs, dim)

    Rounded before anything is computed from them, they decide in the pack that is built as in the one that is read.
    Cosines change by less than 1e-5.
    """
    found = np.empty(vectors.shape, dtype=np.float32)
    # In blocks: of a large benchmark each copy is gigabytes.
    for start in range(0, len(vectors), BLOCK_ROWS):
        some = slice(start, start + BLOCK_ROWS)
        found[some] = _from_integers(_to_integers(vectors[some]))
    return found


def save_embeddings(path: Path, vectors: Embeddings, is_mappable: bool = False) -> None:
    """Write vectors, (n_inputs, dim). is_mappable: as float32, twice as large, to be read where they lie."""
    integers = None if is_mappable else _to_integers(vectors)
    fits = integers is not None and np.array_equal(_from_integers(integers), vectors)
    np.save(path, integers if fits and integers is not None else vectors)


def load_embeddings(path: Path, is_mapped: bool) -> Embeddings:
    """Return the vectors as float32, (n_inputs, dim). is_mapped: map a float32 file instead of reading it."""
    # Mapped, scorers of one machine share its pages.
    vectors = load_npy(path, is_mapped=is_mapped)
    return vectors if vectors.dtype != np.int16 else _from_integers(vectors)


def _to_integers(vectors: Embeddings) -> NDArray[np.int16]:
    """Return each row as integers, the largest of them 32767."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    return np.round(vectors * (MAX_INTEGER / np.where(largest > 0, largest, 1))).astype(np.int16)


def _from_integers(integers: NDArray[np.int16]) -> Embeddings:
    # A row's scale need not be stored: its length is 1.
    squares = np.einsum("nd,nd->n", integers, integers, dtype=np.float64, casting="unsafe")[:, None]
    lengths = np.sqrt(np.where(squares > 0, squares, 1)).astype(np.float32)
    return np.asarray(np.asarray(integers).astype(np.float32) / lengths)


def save_outcomes(path: Path, outcomes: Floats) -> None:
    """Write outcomes, (n_inputs, n_models), NaN = missing."""
    missing = np.isnan(outcomes)
    if (missing | (outcomes == 0) | (outcomes == 1)).all():
        np.save(path, np.where(missing, MISSING, np.where(missing, 0, outcomes)).astype(np.uint8))
    else:
        np.save(path, _smallest(outcomes))


def load_outcomes(path: Path) -> Floats:
    """Return the outcomes, (n_inputs, n_models) float64, NaN = missing."""
    saved = load_npy(path)
    outcomes = np.asarray(saved, dtype=np.float64)
    if saved.dtype == np.uint8:
        outcomes[saved == MISSING] = np.nan
    return outcomes


def _smallest(values: Floats) -> NDArray[Any]:
    """Return the values in the smallest type that holds all of them exactly."""
    for kind in FLOAT_TYPES:
        smaller = values.astype(kind)
        if np.array_equal(smaller, values, equal_nan=True):
            return smaller
    return values


def save_dataset_ids(path: Path, dataset_ids: Ints) -> None:
    """Write the dataset of each input, (n_inputs,)."""
    np.save(path, dataset_ids.astype(np.min_scalar_type(int(dataset_ids.max(initial=0)))))


def load_dataset_ids(path: Path) -> Ints:
    """Return the dataset of each input, (n_inputs,) int64."""
    return np.asarray(load_npy(path), dtype=np.int64)


def save_calibration(path: Path, pairs: Calibration) -> None:
    """Write the pairs (u, p)."""
    np.savez_compressed(
        path,
        distances=pairs.distances,
        accuracies=pairs.accuracies,
        weights=pairs.weights,
        dataset_ids=pairs.dataset_ids,
    )


def load_calibration(path: Path) -> Calibration:
    """Return the pairs (u, p)."""
    saved = load_npz(path)
    return Calibration(saved["distances"], saved["accuracies"], saved["weights"], saved["dataset_ids"])
