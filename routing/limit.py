"""A sample of a benchmark's inputs, the same number of each dataset, to try a build or an import on."""

import csv
import shutil
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routing.arrays import Ints
from routing.bounded_arrays import load_npy
from routing.bounded_tables import TABLE_ERRORS

SEED = 0
EMBEDDINGS = "embeddings.f16.npy"
TEXT_TYPES = (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary)
COLUMNS = {"inputs.parquet": ("input_id", "dataset"), "outcomes.parquet": ("input_id", "model")}


@dataclass(frozen=True, slots=True)
class LimitedInputs:
    """Result of a limit.

    Attributes:
        limit: inputs per dataset.
        n_before: number of inputs before.
        datasets: name to inputs.
        models: name to outcomes.
        logliks: outcomes with a log-likelihood.
    """

    limit: int
    n_before: int
    datasets: dict[str, int]
    models: dict[str, int]
    logliks: int

    def __str__(self) -> str:
        return (
            f"limit {self.limit}: {sum(self.datasets.values())} of {self.n_before} inputs, at most {self.limit} of "
            f"each of {len(self.datasets)} datasets, drawn at random with seed {SEED}"
        )


def limit_folder(source: Path, target: Path, limit: int) -> LimitedInputs | None:
    """Write at most `limit` inputs of each dataset of a benchmark folder to another, with outcomes and embeddings.

    target: a folder without a benchmark. The same benchmark and limit give the same inputs. Returns None, and copies
    the folder, where a file cannot be sampled: reading it then reports what is wrong.
    """
    tables = _read_tables(source)
    if tables is None:
        shutil.copytree(source, target, dirs_exist_ok=True)
        return None
    target.mkdir(parents=True, exist_ok=True)
    inputs, outcomes = tables
    measured = pc.is_in(inputs["input_id"], value_set=pc.unique(outcomes["input_id"]))
    rows = draw_inputs(inputs["dataset"].to_pylist(), measured.to_pylist(), limit)
    some = inputs.take(pa.array(rows))
    of_some = outcomes.filter(pc.is_in(outcomes["input_id"], value_set=some["input_id"].combine_chunks()))
    pq.write_table(some, target / "inputs.parquet")
    pq.write_table(of_some, target / "outcomes.parquet")
    for path in source.iterdir():
        if path.is_file() and path.name not in (*COLUMNS, EMBEDDINGS):
            shutil.copyfile(path, target / path.name)
    _copy_embeddings(source, target, rows, inputs.num_rows)
    has_logliks = "loglik" in of_some.column_names
    return LimitedInputs(
        limit,
        inputs.num_rows,
        dict(Counter(some["dataset"].to_pylist())),
        dict(Counter(of_some["model"].to_pylist())),
        of_some.num_rows - of_some["loglik"].null_count if has_logliks else 0,
    )


def limit_in_place(folder: Path, limit: int) -> LimitedInputs | None:
    """Reduce a benchmark folder to at most `limit` inputs of each dataset, as `limit_folder` does.

    Models without an outcome on them leave models.csv.
    """
    scratch = folder / "limited"
    found = limit_folder(folder, scratch, limit)
    if found is not None:
        _keep_models(scratch / "models.csv", found.models)
    for path in scratch.iterdir() if found is not None else ():
        path.replace(folder / path.name)
    shutil.rmtree(scratch)
    return found


def draw_inputs(datasets: Sequence[str], measured: Sequence[bool], limit: int) -> Ints:
    """Return at most `limit` rows of each dataset, ascending; rows with an outcome before those without.

    datasets, measured: (n_inputs,) each input's dataset, and True where any model has an outcome.
    """
    rows_of: dict[str, list[int]] = {}
    for row, dataset in enumerate(datasets):
        rows_of.setdefault(dataset, []).append(row)
    chosen = []
    for dataset, rows in rows_of.items():
        # A seed for each name: which inputs are drawn does not depend on the other datasets.
        drawn = np.random.default_rng((SEED, zlib.crc32(dataset.encode()))).permutation(rows)
        without = np.array([not measured[row] for row in drawn])
        chosen.append(drawn[np.argsort(without, kind="stable")][:limit])
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.int64)


def _read_tables(folder: Path) -> tuple[pa.Table, pa.Table] | None:
    """Return inputs and outcomes; None where one is missing, unreadable, or without the columns to sample by."""
    found = []
    for name, columns in COLUMNS.items():
        try:
            table = pq.read_table(folder / name)
        except TABLE_ERRORS:
            return None
        if not set(columns) <= set(table.column_names) or any(table[column].null_count for column in columns):
            return None
        # Cast, since a dictionary of names cannot be looked up in another table's.
        for column in columns:
            if not (any(check(table[column].type) for check in TEXT_TYPES)):
                return None
            place = table.column_names.index(column)
            table = table.set_column(place, column, table[column].cast(pa.string()))
        found.append(table)
    return found[0], found[1]


def _copy_embeddings(source: Path, target: Path, rows: Ints, n_inputs: int) -> None:
    """Copy the rows of the embeddings; all of them where they are not of these inputs, which reading reports."""
    if not (source / EMBEDDINGS).exists():
        return
    try:
        vectors = load_npy(source / EMBEDDINGS, is_mapped=True)
    except (ValueError, OSError):  # InvalidArray, LimitExceeded
        vectors = None
    if vectors is None or vectors.ndim == 0 or len(vectors) != n_inputs:
        shutil.copyfile(source / EMBEDDINGS, target / EMBEDDINGS)
    else:
        np.save(target / EMBEDDINGS, vectors[rows])


def _keep_models(path: Path, models: dict[str, int]) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file))
    place = header.index("model")
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *(line for line in lines if line[place] in models)])
