"""Parquet files that others made, in pieces, and within the limits of routing.bounded.

Texts stay in their dictionary until a row is read: one text of 100 MB in a dictionary of a few bytes of indices would
otherwise be as many copies as there are rows. A page has at most 2 GB (its size is an int32 in parquet's format).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routing.bounded import check_archive, check_members

BATCH_ROWS = 1024
CODED_ROWS = 65_536
"""Rows of a batch whose texts stay in their dictionary: many, since each costs as much as a thousand rows."""

TABLE_ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError)
"""What pyarrow raises for a file that is no parquet file, or a damaged one; LimitExceeded is a ValueError."""


def iter_batches(path: Path, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS) -> Iterator[Any]:
    """Yield record batches, texts as dictionaries. Raises LimitExceeded, TABLE_ERRORS."""
    schema = pq.read_schema(path)
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        _check_declared(file.metadata, path.name)
        # A row group can have hundreds of megabytes; batches bound the memory.
        yield from file.iter_batches(batch_size=batch_rows, columns=None if columns is None else list(columns))


def iter_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield rows, each made when it is asked for. Raises LimitExceeded, TABLE_ERRORS."""
    for batch in iter_batches(path):
        names = batch.schema.names
        for place in range(batch.num_rows):
            yield {name: column[place].as_py() for name, column in zip(names, batch.columns, strict=True)}


def read_columns(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read columns whole. Raises LimitExceeded, TABLE_ERRORS."""
    return _read_whole(path, columns, BATCH_ROWS, _decode)


def read_coded_columns(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read columns whole, each text column as codes of one dictionary. Raises LimitExceeded, TABLE_ERRORS.

    10^8 rows of short names are gigabytes as texts, and more than the 2 GB that one array of strings may have.
    """
    return _read_whole(path, columns, CODED_ROWS, lambda column: column).unify_dictionaries()


def _read_whole(path: Path, columns: Sequence[str], batch_rows: int, decode: Callable[[Any], Any]) -> pa.Table:
    size = 0
    batches = []
    for batch in iter_batches(path, columns, batch_rows):
        size += sum(map(_dense_bytes, batch.columns))
        check_archive(size, path.name)
        decoded = [decode(column) for column in batch.columns]
        for column in decoded:
            column.validate(full=True)  # texts are UTF-8, which pyarrow otherwise notices when one is used
        batches.append(pa.RecordBatch.from_arrays(decoded, batch.schema.names))
    if not batches:
        return pq.read_table(path, columns=list(columns))
    return pa.Table.from_batches(batches)


def _check_declared(metadata: Any, name: str) -> None:
    check_members(metadata.num_row_groups, name)
    groups = (metadata.row_group(place) for place in range(metadata.num_row_groups))
    check_archive(sum(max(0, group.total_byte_size) for group in groups), name)


def _dense_bytes(column: Any) -> int:
    if not pa.types.is_dictionary(column.type) or not len(column):
        return int(column.nbytes)
    return int(pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0)


def _decode(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
