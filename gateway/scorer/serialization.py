"""A task's sums as bytes: little-endian, the two sizes, then float64 arrays one after the other.

The two sums over the kappa nearest came later: state of earlier versions is read as if no input had them. The task's
labels follow the numbers, if it has any (see gateway.scorer.task_labels).
"""

import struct

import numpy as np

from gateway.errors import StateError
from gateway.scorer.task_labels import TaskLabels
from routing.task import TaskState

_SIZES = struct.Struct("<II")
_NUMBER = np.dtype("<f8")
_LENGTH = struct.Struct("<I")
_WITH_TEXT = b"text"
"""Ends an embedding that is followed by its text. No embedding ends so: these bytes are two numbers above 1000."""

Vectors = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def state_to_bytes(state: TaskState, labels: TaskLabels | None = None) -> bytes:
    """Encode sums and labels; n is stored in a field of its own."""
    distance = np.array([state.distance_sum])
    first = (state.g_sum, state.g_bar_sum, state.counts, distance, state.embedding_sum)
    arrays = (*first, state.wide_sum, state.wide_counts)
    body = b"".join(np.ascontiguousarray(array, dtype=_NUMBER).tobytes() for array in arrays)
    encoded = labels.to_bytes() if labels else b""
    return _SIZES.pack(len(state.g_sum), len(state.embedding_sum)) + body + encoded


def state_from_bytes(data: bytes, n: int) -> TaskState:
    """Decode sums. Raises StateError."""
    try:
        n_models, dim = _SIZES.unpack_from(data)
        numbers = np.frombuffer(data[: _end(n_models, dim)], dtype=_NUMBER, offset=_SIZES.size).astype(np.float64)
    except (struct.error, ValueError) as error:
        raise StateError(f"a task's sums cannot be read: {error}") from error
    narrow = 3 * n_models + 1 + dim
    if len(numbers) == narrow:
        numbers = np.concatenate([numbers, np.zeros(2 * n_models)])
    if len(numbers) != narrow + 2 * n_models:
        raise StateError(f"a task's sums hold {len(numbers)} numbers, expected {narrow + 2 * n_models}")
    g_sum, g_bar_sum, counts = numbers[: 3 * n_models].reshape(3, n_models)
    wide_sum, wide_counts = numbers[narrow:].reshape(2, n_models)
    distance_sum, embedding_sum = float(numbers[3 * n_models]), numbers[3 * n_models + 1 : narrow]
    return TaskState(n, g_sum, g_bar_sum, counts, distance_sum, embedding_sum, wide_sum, wide_counts)


def labels_from_bytes(data: bytes) -> TaskLabels:
    """Decode the labels that follow a task's sums. Raises StateError."""
    try:
        return TaskLabels.from_bytes(data[_end(*_SIZES.unpack_from(data)) :])
    except struct.error as error:
        raise StateError(f"a task's sums cannot be read: {error}") from error


def _end(n_models: int, dim: int) -> int:
    return _SIZES.size + _NUMBER.itemsize * (5 * n_models + 1 + dim)


def embedding_to_bytes(vector: Vectors, text: str | None = None) -> bytes:
    """Encode a vector, (dim,), as float16: half the size, and far more exact than neighbours differ. text: appended."""
    data = vector.astype("<f2").tobytes()
    if text is None:
        return data
    encoded = text.encode("utf-8", "replace")
    return data + encoded + _LENGTH.pack(len(encoded)) + _WITH_TEXT


def embeddings_from_bytes(ring: list[bytes], dim: int) -> Vectors:
    """Decode embeddings, (n, dim); those of another dimension, from another embedder, are left out."""
    return inputs_from_bytes(ring, dim)[0]


def inputs_from_bytes(ring: list[bytes], dim: int) -> tuple[Vectors, list[str | None]]:
    """Decode embeddings, (n, dim), as `embeddings_from_bytes` does, and the texts that were stored with them."""
    split = [one for one in map(_split, ring) if len(one[0]) == 2 * dim]
    vectors = [np.frombuffer(data, dtype="<f2") for data, _ in split]
    return np.array(vectors, dtype=np.float32).reshape(len(split), dim), [text for _, text in split]


def _split(data: bytes) -> tuple[bytes, str | None]:
    if not data.endswith(_WITH_TEXT):
        return data, None
    end = len(data) - len(_WITH_TEXT) - _LENGTH.size
    (length,) = _LENGTH.unpack_from(data, end)
    return data[: end - length], data[end - length : end].decode("utf-8", "replace")
