"""Rows of outcomes to matrices, (n_inputs, n_models), with the faults of the rows.

Up to 10^8 rows: names are compared as codes, and nothing is sorted unless a row is repeated.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from routing.arrays import Floats, Ints

SHOWN_PER_FAULT = 5
REPEATED = "input_id and model are a duplicate"


def outcome_matrices(inputs: pa.Table, outcomes: pa.Table, models: Sequence[str], faults: list[str]) -> Any:
    """Return outcomes and log-likelihoods, each (n_inputs, n_models) float64, NaN where no row gives one.

    The first is None if a row is invalid, the second also where there is no such column.
    """
    file, before = "outcomes.parquet", len(faults)
    for name in ("input_id", "model", "score"):
        report_rows(faults, file, np.flatnonzero(outcomes[name].is_null().to_numpy()), f"{name} is missing")
    faults += [
        f"{file}: column {name} has type {_value_type(outcomes[name].type)}, expected numbers"
        for name in ("score", "loglik")
        if name in outcomes.column_names and not _is_number(outcomes[name].type)
    ]
    if len(faults) > before:
        return None, None
    rows = _places(outcomes["input_id"], inputs["input_id"].to_pylist())
    columns = _places(outcomes["model"], models)
    scores = outcomes["score"].to_numpy().astype(np.float64)
    report_rows(faults, file, np.flatnonzero(rows < 0), "input_id is not in inputs.parquet")
    report_rows(faults, file, np.flatnonzero(columns < 0), "model is not in models.csv")
    report_rows(faults, file, np.flatnonzero(~((scores >= 0) & (scores <= 1))), "score is outside [0, 1]")
    logliks = None
    if "loglik" in outcomes.column_names:
        logliks = outcomes["loglik"].to_numpy().astype(np.float64)
        report_rows(faults, file, np.flatnonzero(logliks > 0), "loglik is above 0")
    # Row and column as one number. Rows with an unknown input or model have none; they are reported once, above.
    is_known, cells = (rows >= 0) & (columns >= 0), rows * np.int64(len(models)) + columns
    report_rows(faults, file, _find_repeated(cells, is_known, inputs.num_rows * len(models)), REPEATED)
    if len(faults) > before:
        return None, None
    shape = (inputs.num_rows, len(models))
    return _matrix(cells, scores, shape), None if logliks is None else _matrix(cells, logliks, shape)


def encode_texts(column: pa.ChunkedArray) -> tuple[list[str], Ints]:
    """Return the distinct strings in order of first appearance, and each row's index among them."""
    # Arrow's dictionary encoding numbers the strings in one pass instead of a Python loop over all rows.
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _dictionary_codes(column: pa.ChunkedArray) -> tuple[list[Any], NDArray[np.int32]]:
    """Return the texts of a coded column, and each row's index among them. Other columns are made texts first."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    if not column.num_chunks:
        return [], np.empty(0, dtype=np.int32)
    # One dictionary for all chunks: read_coded_columns unified it, and dictionary_encode does.
    return column.chunk(0).dictionary.cast(pa.string()).to_pylist(), np.concatenate(
        [chunk.indices.to_numpy(zero_copy_only=False).astype(np.int32) for chunk in column.chunks]
    )


def report_rows(faults: list[str], file: str, rows: Ints, message: str) -> None:
    """Add a fault that names the first of some rows, where there are any. rows: counted from 0."""
    shown = ", ".join(str(row + 1) for row in rows[:SHOWN_PER_FAULT])
    more = f" and {len(rows) - SHOWN_PER_FAULT} more" if len(rows) > SHOWN_PER_FAULT else ""
    if len(rows):
        faults.append(f"{file} row {shown}{more}: {message}")


def _places(column: pa.ChunkedArray, known: Sequence[str]) -> NDArray[np.int32]:
    """Return each row's index in `known`, -1 where it is not there."""
    names, codes = _dictionary_codes(column)
    order = {name: place for place, name in enumerate(known)}
    return np.array([order.get(name, -1) for name in names], dtype=np.int32)[codes]


def _find_repeated(cells: Ints, is_known: NDArray[np.bool_], n_cells: int) -> Ints:
    """Return the rows whose cell an earlier row has. cells: (n_rows,) numbers below n_cells where is_known."""
    is_filled = np.zeros(n_cells, dtype=bool)
    is_filled[cells[is_known]] = True
    # Nearly always there is none: a sort of 10^8 rows, to find them, is saved.
    if int(is_filled.sum()) == int(is_known.sum()):
        return np.empty(0, dtype=np.int64)
    return np.setdiff1d(np.flatnonzero(is_known), np.unique(np.where(is_known, cells, -1), return_index=True)[1])


def _value_type(type_: pa.DataType) -> pa.DataType:
    return type_.value_type if pa.types.is_dictionary(type_) else type_


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_) or pa.types.is_integer(type_) or pa.types.is_null(type_))


def _matrix(cells: Ints, values: Floats, shape: tuple[int, int]) -> Floats:
    matrix = np.full(shape, np.nan)
    matrix.ravel()[cells] = values
    return matrix
