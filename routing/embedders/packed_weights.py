"""An ONNX file with its large weights in fewer bits, restored to floats before the graph is loaded.

The graph stays what it was: as fast, and after loading as large in memory, as with its own weights; only the file is
smaller. In the packed file, an .npz, `skeleton` is the ONNX file without the bytes of its weights, and each of them
follows as integers and scales, or in half precision:

| array     | shape                       | content                                                        |
|-----------|-----------------------------|----------------------------------------------------------------|
| skeleton  | (n_bytes,)                  | the file without the weights' bytes                            |
| tensors   | (n_tensors, 4)              | offset in the file, rows, columns, form (0 to 2)               |
| N.upper   | (rows, n_groups, group)     | form 0 and 1: integers, or their upper 8 bits                  |
| N.lower   | (n_bytes,)                  | form 1: their lower 2 bits, four to a byte                     |
| N.scales  | (rows, n_groups, 1)         | form 0 and 1                                                   |
| N.half    | (rows, columns)             | form 2                                                         |

Matrices have 10 bits and one scale per 32 weights, look-up tables 8 bits and one per 64: on 285 texts in eight
languages all-MiniLM-L6-v2 then keeps 99.4 % of the 19 nearest inputs, with 8 bits and one scale per column 97 %.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.bounded import reading_pack
from routing.bounded_arrays import load_npz
from routing.errors import EmbedderError

TABLE_FORM, MATRIX_FORM, HALF_FORM = 0, 1, 2
GROUPS = {TABLE_FORM: 64, MATRIX_FORM: 32}
LARGEST = {TABLE_FORM: 127, MATRIX_FORM: 511}
LOW_BITS = 2
PER_BYTE = 8 // LOW_BITS

SHORT_TABLE = 4096
"""Rows up to which a table keeps half precision: positions and segment types are small, enter every token's vector, and
have rows of a few large values, which leave 8 bits for all others in the row few steps."""

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class _Weights:
    """A constant of the graph.

    Attributes:
        offset: of its bytes in the file.
        values: (rows, columns) float32.
        is_table: True for a look-up table.
    """

    offset: int
    values: NDArray[np.float32]
    is_table: bool

    def form(self, halve: bool) -> int:
        """Return the form it is stored in."""
        if halve or (self.is_table and len(self.values) <= SHORT_TABLE):
            return HALF_FORM
        return TABLE_FORM if self.is_table else MATRIX_FORM


def pack_model(model: bytes, halve: bool = False) -> bytes:
    """Return an ONNX file with its weights packed. halve: all in half precision."""
    skeleton, tensors, start = [], [], 0
    arrays: dict[str, Any] = {}
    for place, weights in enumerate(_find_weights(model)):
        form = weights.form(halve)
        tensors.append((weights.offset, *weights.values.shape, form))
        arrays |= {f"{place}.{part}": array for part, array in _pack(weights.values, form).items()}
        skeleton.append(model[start : weights.offset])
        start = weights.offset + weights.values.nbytes
    skeleton.append(model[start:])
    arrays["skeleton"] = np.frombuffer(b"".join(skeleton), dtype=np.uint8)
    arrays["tensors"] = np.array(tensors, dtype=np.int64).reshape(-1, 4)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def unpack_model(packed: bytes) -> bytes:
    """Return the ONNX file, its weights widened to floats. Raises EmbedderError for a file that is not a packed one."""
    try:
        with reading_pack():
            arrays = load_npz(packed, "the bundled model")
        skeleton, parts, start, done = arrays["skeleton"].tobytes(), [], 0, 0
        for place, (offset, rows, columns, form) in enumerate(arrays["tensors"].tolist()):
            parts.append(skeleton[start : start + offset - done])
            start += offset - done
            parts.append(_unpack(arrays, place, form).reshape(rows, columns).tobytes())
            done = offset + 4 * rows * columns
        return b"".join((*parts, skeleton[start:]))
    except (KeyError, ValueError, TypeError, IndexError, OverflowError, MemoryError) as error:
        raise EmbedderError(f"the bundled model cannot be unpacked: {error}") from error


def _find_weights(model: bytes) -> Iterator[_Weights]:
    """Yield the weights of matrix products and the look-up tables, in the order of their bytes in the file."""
    import onnx

    graph = onnx.load_from_string(model).graph
    operands = {("MatMul", 1): False, ("Gather", 0): True}
    of = {
        node.input[place]: is_table
        for node in graph.node
        for (kind, place), is_table in operands.items()
        if node.op_type == kind
    }
    found, end = [], 0
    for constant in graph.initializer:
        is_matrix = constant.data_type == onnx.TensorProto.FLOAT and len(constant.dims) == 2
        if constant.name in of and is_matrix and constant.raw_data:
            values = np.frombuffer(constant.raw_data, dtype="<f4").reshape(tuple(constant.dims))
            found.append(_Weights(model.find(constant.raw_data), values, of[constant.name]))
    for weights in sorted(found, key=lambda one: one.offset):
        # Two constants of the same bytes are found at the same place: the second stays in the skeleton.
        if weights.offset >= end:
            yield weights
            end = weights.offset + weights.values.nbytes


def _pack(values: NDArray[np.float32], form: int) -> dict[str, NDArray[np.generic]]:
    if form == HALF_FORM:
        return {"half": values.astype(np.float16)}
    # Weights of one output share scales: the groups of a matrix run down its columns.
    across = values if form == TABLE_FORM else values.T
    integers, scales = round_groups(across, GROUPS[form], LARGEST[form])
    if form == TABLE_FORM:
        return {"upper": integers.astype(np.int8), "scales": scales}
    upper, lower = split_bits(integers)
    return {"upper": upper, "lower": lower, "scales": scales}


def _unpack(arrays: Arrays, place: int, form: int) -> NDArray[np.float32]:
    if form == HALF_FORM:
        return arrays[f"{place}.half"].astype(np.float32)
    integers = arrays[f"{place}.upper"].astype(np.int16)
    if form == MATRIX_FORM:
        integers = join_bits(integers, arrays[f"{place}.lower"].astype(np.uint8))
    values = integers * arrays[f"{place}.scales"].astype(np.float32)
    rows = values.reshape(len(values), -1)
    return np.ascontiguousarray(rows if form == TABLE_FORM else rows.T, dtype=np.float32)


def round_groups(
    values: NDArray[np.float32], group: int, largest: int
) -> tuple[NDArray[np.int16], NDArray[np.float16]]:
    """Round the last axis in groups, each with one scale.

    values: (rows, columns). group: values that share a scale; the whole width where it does not divide. largest: the
    largest integer. Returns integers from -largest to largest, (rows, n_groups, group); scales, (rows, n_groups, 1).
    """
    width = values.shape[1]
    grouped = values.reshape(len(values), -1, width if width % group else group)
    wanted = np.abs(grouped).max(axis=2, keepdims=True) / largest
    # A group of zeros must not divide by 0. Integers fit the scale as it is stored, not as it was computed.
    scales = np.maximum(wanted, np.finfo(np.float16).smallest_normal).astype(np.float16)
    integers = np.round(grouped / scales.astype(np.float32))
    return np.clip(integers, -largest, largest).astype(np.int16), scales


def split_bits(integers: NDArray[np.int16]) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    """Return the upper 8 bits, of the same shape, and the lower 2, four to a byte: integers = 4 * upper + lower.

    integers: any shape, from -512 to 511.
    """
    lower = (integers & (2**LOW_BITS - 1)).astype(np.uint8).ravel()
    lower = np.pad(lower, (0, -len(lower) % PER_BYTE)).reshape(-1, PER_BYTE)
    return (integers >> LOW_BITS).astype(np.int8), np.bitwise_or.reduce(lower << _shifts(), axis=1)


def join_bits(upper: NDArray[np.int16], lower: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the integers that `split_bits` took apart, of upper's shape."""
    parts = ((lower[:, None] >> _shifts()) & (2**LOW_BITS - 1)).ravel()[: upper.size]
    return np.asarray((upper << LOW_BITS) + parts.reshape(upper.shape), dtype=np.int16)


def _shifts() -> NDArray[np.uint8]:
    return LOW_BITS * np.arange(PER_BYTE, dtype=np.uint8)
