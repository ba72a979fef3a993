"""A task's sums as bytes: little-endian, the two sizes, then float64 arrays one after the other.

The two sums over the kappa nearest came later: state of earlier versions is read as if no input had them. The sums of
membership came later still, as a block of their own behind the numbers; where it is absent, or another version's, they
are None, and gateway.scorer.task_reader makes them anew. The task's labels follow, if it has any (see
gateway.scorer.task_labels).
"""

import math
import struct
from dataclasses import replace

import numpy as np

from gateway.errors import StateError
from gateway.scorer.task_labels import TaskLabels
from routing.arrays import Floats
from routing.task import InputEvidence, TaskState

_SIZES = struct.Struct("<II")
_NUMBER = np.dtype("<f8")
_LENGTH = struct.Struct("<I")
_WITH_TEXT = b"text"
"""Ends an embedding that is followed by its text. No embedding ends so: these bytes are two numbers above 1000."""

_MEMBERSHIP = struct.Struct("<cBII")
_MARK = b"\xc1"
"""Begins the block of membership. Labels are MessagePack, in which no value begins with this byte."""
MEMBERSHIP_VERSION = 1
"""Rises with what the features of routing.auto.membership mean: sums of two meanings are not added up."""

Vectors = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def state_to_bytes(state: TaskState, labels: TaskLabels | None = None) -> bytes:
    """Encode sums and labels; n is stored in a field of its own."""
    distance = np.array([state.distance_sum])
    first = (state.g_sum, state.g_bar_sum, state.counts, distance, state.embedding_sum)
    arrays = (*first, state.wide_sum, state.wide_counts)
    body = b"".join(np.ascontiguousarray(array, dtype=_NUMBER).tobytes() for array in arrays)
    encoded = labels.to_bytes() if labels else b""
    sizes = _SIZES.pack(len(state.g_sum), len(state.embedding_sum))
    return sizes + body + _membership_to_bytes(state.membership) + encoded


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
    membership = _membership_from_bytes(data[_end(n_models, dim) :])
    return TaskState(n, g_sum, g_bar_sum, counts, distance_sum, embedding_sum, wide_sum, wide_counts, membership)


def labels_from_bytes(data: bytes) -> TaskLabels:
    """Decode the labels that follow a task's sums. Raises StateError."""
    try:
        rest = data[_end(*_SIZES.unpack_from(data)) :]
        return TaskLabels.from_bytes(rest[_membership_size(rest) :])
    except struct.error as error:
        raise StateError(f"a task's sums cannot be read: {error}") from error


def _membership_to_bytes(sums: Floats | None) -> bytes:
    if sums is None:
        return b""
    return _MEMBERSHIP.pack(_MARK, MEMBERSHIP_VERSION, *sums.shape) + np.ascontiguousarray(sums, _NUMBER).tobytes()


def _membership_from_bytes(rest: bytes) -> Floats | None:
    """Decode the sums of membership, (n_features, n_datasets); None without any. Raises StateError."""
    if not rest.startswith(_MARK):
        return None
    try:
        _, version, n_features, n_datasets = _MEMBERSHIP.unpack_from(rest)
        numbers = np.frombuffer(rest, _NUMBER, n_features * n_datasets, _MEMBERSHIP.size).astype(np.float64)
    except (struct.error, ValueError) as error:
        raise StateError(f"a task's sums of membership cannot be read: {error}") from error
    return numbers.reshape(n_features, n_datasets) if version == MEMBERSHIP_VERSION else None


def _membership_size(rest: bytes) -> int:
    """Return the length of the block of membership, 0 without one. Raises struct.error."""
    if not rest.startswith(_MARK):
        return 0
    _, _, n_features, n_datasets = _MEMBERSHIP.unpack_from(rest)
    return _MEMBERSHIP.size + _NUMBER.itemsize * int(n_features) * int(n_datasets)


def _end(n_models: int, dim: int) -> int:
    return _SIZES.size + _NUMBER.itemsize * (5 * n_models + 1 + dim)


def as_stored(evidence: InputEvidence) -> InputEvidence:
    """Return evidence with the vectors, (n, dim), that can be made again from the ring, at unit length.

    The sum of embeddings after a task's first input is then in its ring already, and is not stored twice (see
    gateway.state.compression): most tasks have one input. The nearest neighbours are those of the exact vectors;
    cosines to datasets differ by about 1e-6.
    """
    halves = evidence.vectors.astype("<f2").astype(np.float64)
    # Summed as the store sums them, to the last bit; numpy's order of additions differs from one build to another.
    lengths = [math.sqrt(math.fsum(row)) or 1.0 for row in (halves * halves).tolist()]
    return replace(evidence, vectors=halves / np.array(lengths).reshape(-1, 1))


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
