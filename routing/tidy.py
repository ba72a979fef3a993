"""Tidy benchmark format on disk: importers write it, `pack build` reads it.

    inputs.parquet     input_id, dataset, text
    outcomes.parquet   input_id, model, score          score in [0, 1]; a row left out is a missing outcome
                       loglik                          (optional) mean log-probability per token of the answer, or
                       null
    models.csv         model, params_b, input_usd_per_mtok, output_usd_per_mtok      (all but model optional)
    datasets.csv       dataset, threshold, source, licence, input_tokens, output_tokens      (the file is optional)
    embeddings.f16.npy with embeddings.json            (optional) made by the embedder that the json names

Other columns are ignored. Every fault is reported with its file and row (the first row is 1).
"""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from routing.arrays import Embeddings, unit_rows
from routing.benchmark import Benchmark, Dataset, Model
from routing.bounded import describe, load_json
from routing.bounded_arrays import load_npy
from routing.bounded_tables import TABLE_ERRORS, read_coded_columns, read_columns
from routing.errors import BenchmarkError
from routing.outcome_rows import encode_texts, outcome_matrices, report_rows

BLOCK_ROWS = 50_000
"""Vectors that are checked at a time: of a large benchmark, a copy of all is gigabytes."""


@dataclass(frozen=True, slots=True)
class GivenEmbeddings:
    """Precomputed embeddings in a benchmark folder.

    Attributes:
        vectors: (n_inputs, dim), unit length, rows as in inputs.parquet.
        embedder: name of the embedder that made them.
    """

    vectors: Embeddings
    embedder: str


def read_benchmark(folder: Path) -> Benchmark:
    """Read and check a benchmark folder. Raises BenchmarkError with every fault found."""
    faults: list[str] = []
    inputs = _read_parquet(folder / "inputs.parquet", ("input_id", "dataset", "text"), faults)
    needed, optional = ("input_id", "model", "score"), ("loglik",)
    outcomes = _read_parquet(folder / "outcomes.parquet", needed, faults, optional, read_coded_columns)
    models = _read_models(folder / "models.csv", faults)
    details = _read_datasets(folder / "datasets.csv", faults)
    if inputs is None or outcomes is None or faults:
        raise BenchmarkError(str(folder), faults)

    _check_inputs(inputs, faults)
    if faults:
        raise BenchmarkError(str(folder), faults)
    names, dataset_ids = encode_texts(inputs["dataset"])
    matrix, loglik = outcome_matrices(inputs, outcomes, [model.name for model in models], faults)
    faults += [f"datasets.csv: dataset {name!r} has no inputs" for name in sorted(set(details) - set(names))]
    for place, name in enumerate(names):
        if matrix is not None and np.isnan(matrix[dataset_ids == place]).all():
            faults.append(f"outcomes.parquet: dataset {name!r} has no outcomes")
    if matrix is None or faults:
        raise BenchmarkError(str(folder), faults)
    return Benchmark(
        name=folder.resolve().name,
        texts=tuple(inputs["text"].to_pylist()),
        datasets=tuple(details.get(name, Dataset(name)) for name in names),
        dataset_ids=dataset_ids,
        models=tuple(models),
        outcomes=matrix,
        loglik=loglik,
        input_ids=tuple(inputs["input_id"].to_pylist()),
    )


def read_models(folder: Path) -> list[Model]:
    """Read and check a folder's models.csv. Raises BenchmarkError with every fault found."""
    faults: list[str] = []
    models = _read_models(folder / "models.csv", faults)
    if faults:
        raise BenchmarkError(str(folder), faults)
    return models


def read_embeddings(folder: Path, n_inputs: int) -> GivenEmbeddings | None:
    """Read the embeddings in a benchmark folder; None if it has none. Raises BenchmarkError if they are invalid."""
    path, about = folder / "embeddings.f16.npy", folder / "embeddings.json"
    if not path.exists():
        return None
    if not about.exists():
        raise BenchmarkError(
            str(folder), ["embeddings.json is missing: it must name the embedder of embeddings.f16.npy"]
        )
    try:
        vectors = load_npy(path)
        embedder = str(load_json(about)["embedder"])
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise BenchmarkError(str(folder), [f"embeddings.f16.npy or embeddings.json: {error}"]) from error
    return GivenEmbeddings(check_vectors(vectors, n_inputs, str(path)), embedder)


def check_vectors(vectors: NDArray[Any], n_inputs: int, where: str) -> Embeddings:
    """Return the vectors as unit rows. Raises BenchmarkError naming the row of a NaN, an infinity or a zero vector.

    vectors: (n_inputs, dim).
    """
    if vectors.ndim != 2 or len(vectors) != n_inputs:
        raise BenchmarkError(where, [f"shape {vectors.shape}, expected ({n_inputs}, dim): one row per input"])
    found, bad = np.empty(vectors.shape, dtype=np.float32), list[int]()
    for start in range(0, n_inputs, BLOCK_ROWS):
        # Checked in float32: a half-precision file may hold values that are infinite only after the cast.
        rows = vectors[start : start + BLOCK_ROWS].astype(np.float32)
        # A zero vector has no direction: its cosine to everything is undefined.
        is_bad = ~np.isfinite(rows).all(axis=1) | ~rows.any(axis=1)
        bad += (start + np.flatnonzero(is_bad)).tolist()
        if not bad:
            found[start : start + BLOCK_ROWS] = unit_rows(rows)
    if bad:
        raise BenchmarkError(
            where, [f"row {row + 1}: the vector is zero, or contains a NaN or an infinity" for row in bad]
        )
    return found


def write_benchmark(
    folder: Path,
    inputs: Iterable[tuple[str, str, str]],
    outcomes: Iterable[tuple[str, str, float]],
    models: Sequence[Model],
    datasets: Sequence[Dataset] = (),
) -> None:
    """Write a benchmark folder in the tidy format.

    inputs: (input_id, dataset, text) rows. outcomes: (input_id, model, score) rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_parquet(folder / "inputs.parquet", ("input_id", "dataset", "text"), inputs)
    _write_parquet(folder / "outcomes.parquet", ("input_id", "model", "score"), outcomes)
    _write_facts(folder, models, datasets)


def save_benchmark(folder: Path, benchmark: Benchmark, embeddings: GivenEmbeddings | None = None) -> None:
    """Write a benchmark in memory to a folder in the tidy format. Raises BenchmarkError without ids or texts."""
    if len(benchmark.input_ids) != benchmark.n_inputs or len(benchmark.texts) != benchmark.n_inputs:
        raise BenchmarkError(benchmark.name, ["it has no ids or texts of its inputs: it cannot be written"])
    folder.mkdir(parents=True, exist_ok=True)
    names = np.array([dataset.name for dataset in benchmark.datasets], dtype=object)[benchmark.dataset_ids]
    inputs = {"input_id": benchmark.input_ids, "dataset": names, "text": benchmark.texts}
    pq.write_table(
        pa.table({name: pa.array(list(column), pa.string()) for name, column in inputs.items()}),
        folder / "inputs.parquet",
    )
    pq.write_table(_outcome_rows(benchmark), folder / "outcomes.parquet")
    _write_facts(folder, benchmark.models, benchmark.datasets)
    if embeddings is not None:
        np.save(folder / "embeddings.f16.npy", embeddings.vectors.astype(np.float16))
        (folder / "embeddings.json").write_text(json.dumps({"embedder": embeddings.embedder}) + "\n")


def _outcome_rows(benchmark: Benchmark) -> pa.Table:
    rows, columns = np.nonzero(~np.isnan(benchmark.outcomes))
    # Dictionary arrays: a string for every one of 10^7 outcomes would not fit in memory.
    names = {"input_id": (benchmark.input_ids, rows), "model": (benchmark.model_names, columns)}
    table = {
        name: pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), pa.array(list(values), pa.string()))
        for name, (values, places) in names.items()
    }
    table["score"] = pa.array(benchmark.outcomes[rows, columns])
    if benchmark.loglik is not None:
        table["loglik"] = pa.array(benchmark.loglik[rows, columns], from_pandas=True)
    return pa.table(table)


def write_models(path: Path, models: Sequence[Model]) -> None:
    """Write a models.csv. Unknown facts are empty cells."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("model", "params_b", "input_usd_per_mtok", "output_usd_per_mtok"))
        writer.writerows((m.name, m.params_b, m.input_usd_per_mtok, m.output_usd_per_mtok) for m in models)


def _write_facts(folder: Path, models: Sequence[Model], datasets: Sequence[Dataset]) -> None:
    write_models(folder / "models.csv", models)
    if datasets:
        with (folder / "datasets.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("dataset", "threshold", "source", "licence", "input_tokens", "output_tokens"))
            writer.writerows(
                (d.name, d.threshold, d.source, d.licence, d.input_tokens, d.output_tokens) for d in datasets
            )


def _write_parquet(path: Path, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    pq.write_table(pa.table({name: list(column) for name, column in zip(columns, values, strict=True)}), path)


def _read_parquet(
    path: Path,
    columns: Sequence[str],
    faults: list[str],
    optional: Sequence[str] = (),
    read: Callable[[Path, Sequence[str]], pa.Table] = read_columns,
) -> pa.Table | None:
    if not path.exists():
        faults.append(f"{path.name} is missing")
        return None
    try:
        # The schema alone, so that a missing column is reported without reading a large file.
        present = pq.read_schema(path).names
        missing = [name for name in columns if name not in present]
        if missing:
            faults.append(f"{path.name}: missing column {', '.join(missing)}; found columns: {', '.join(present)}")
            return None
        return read(path, [*columns, *(name for name in optional if name in present)])
    except TABLE_ERRORS as error:
        faults.append(f"{path.name}: not a readable parquet file: {error}")
        return None


def _read_csv(path: Path, key: str, faults: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows as (row number, cells), with the faults of empty and duplicate keys reported."""
    try:
        return _csv_rows(path, key, faults)
    except (csv.Error, UnicodeDecodeError) as error:
        faults.append(f"{path.name}: invalid CSV, or not UTF-8: {describe(error)}")
        return []


def _csv_rows(path: Path, key: str, faults: list[str]) -> list[tuple[int, dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if key not in (reader.fieldnames or ()):
            faults.append(f"{path.name}: missing column {key}")
            return []
        rows, seen = [], set()
        for number, row in enumerate(reader, 1):
            name = (row[key] or "").strip()
            if not name or name in seen:
                faults.append(f"{path.name} row {number}: {key} {name!r} is {'a duplicate' if name else 'empty'}")
            seen.add(name)
            rows.append((number, {column: (cell or "").strip() for column, cell in row.items() if column}))
    return rows


def _number(cells: dict[str, str], column: str, where: str, faults: list[str]) -> float | None:
    cell = cells.get(column, "")
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if not 0 <= value < float("inf"):
        faults.append(f"{where}: {column} {cell!r} is not a non-negative number")
        return None
    return value


def _read_models(path: Path, faults: list[str]) -> list[Model]:
    if not path.exists():
        faults.append(f"{path.name} is missing")
        return []
    models = []
    for number, cells in _read_csv(path, "model", faults):
        where = f"{path.name} row {number}"
        numbers = [_number(cells, c, where, faults) for c in ("params_b", "input_usd_per_mtok", "output_usd_per_mtok")]
        models.append(Model(cells["model"], *numbers))
    if not models:
        faults.append(f"{path.name}: no models")
    return models


def _read_datasets(path: Path, faults: list[str]) -> dict[str, Dataset]:
    if not path.exists():
        return {}
    details = {}
    for number, cells in _read_csv(path, "dataset", faults):
        where = f"{path.name} row {number}"
        threshold = _number(cells, "threshold", where, faults)
        details[cells["dataset"]] = Dataset(
            cells["dataset"],
            0.5 if threshold is None else threshold,
            cells.get("source", ""),
            cells.get("licence", ""),
            _number(cells, "input_tokens", where, faults),
            _number(cells, "output_tokens", where, faults),
        )
    return details


def _check_inputs(inputs: pa.Table, faults: list[str]) -> None:
    if inputs.num_rows == 0:
        faults.append("inputs.parquet: no inputs")
        return
    for name in ("input_id", "dataset", "text"):
        if not (
            pa.types.is_string(inputs[name].type)
            or pa.types.is_large_string(inputs[name].type)
            or pa.types.is_dictionary(inputs[name].type)
        ):
            faults.append(f"inputs.parquet: column {name} has type {inputs[name].type}, expected text")
            return
        report_rows(faults, "inputs.parquet", np.flatnonzero(inputs[name].is_null().to_numpy()), f"{name} is missing")
    if faults:
        return
    for name in ("input_id", "dataset"):
        empty = np.array([not value.strip() for value in inputs[name].to_pylist()])
        report_rows(faults, "inputs.parquet", np.flatnonzero(empty), f"{name} is empty")
    _, ids = encode_texts(inputs["input_id"])
    _, first = np.unique(ids, return_index=True)
    repeated = np.setdiff1d(np.arange(len(ids)), first)
    report_rows(faults, "inputs.parquet", repeated, "input_id is a duplicate")
