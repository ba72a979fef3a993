"""A benchmark folder of any size: real embeddings repeated with noise, their texts, and outcomes drawn.

The texts are those of the rows that are repeated. An outcome is 1 with a probability of its dataset, its row and its
model, so that copies of a row are as hard as the row, and a dataset has models that are good at it. Those inputs that
`pack build` embeds again to check the given embeddings have no noise.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.indexing.repeated import RealEmbeddings
from routing.arrays import Ints
from routing.benchmark import Model
from routing.build import checked_rows
from routing.tidy import write_models

BLOCK = 50_000
LEVEL, DATASET_SPREAD, ROW_SPREAD, INPUT_SPREAD = 0.3, 0.6, 1.0, 0.5
"""Of the logits of an outcome: what a model adds, a model on a dataset, a row, and an input."""


def write_folder(real: RealEmbeddings, count: int, n_models: int, folder: Path, seed: int = 0) -> None:
    """Write a benchmark of `count` inputs, embeddings included, block by block: it need not fit in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, datasets = real.rows_of(count), real.datasets_of(count)
    vectors = real.repeat_to(count)
    checked = checked_rows(count)
    vectors[checked] = real.known[rows[checked]]
    np.save(folder / "embeddings.f16.npy", vectors.astype(np.float16))
    (folder / "embeddings.json").write_text(json.dumps({"embedder": real.embedder}) + "\n")
    texts = [real.texts[row] for row in rows]
    names = [f"d{dataset:03}" for dataset in datasets]
    inputs = {"input_id": _ids(0, count), "dataset": names, "text": texts}
    pq.write_table(
        pa.table({name: pa.array(column, pa.string()) for name, column in inputs.items()}), folder / "inputs.parquet"
    )
    models = [Model(f"maker/model-{place:03}") for place in range(n_models)]
    write_models(folder / "models.csv", models)
    _write_outcomes(folder / "outcomes.parquet", rows, datasets, [model.name for model in models], seed)


def _ids(start: int, end: int) -> list[str]:
    return [f"input-{place:07}" for place in range(start, end)]


def _write_outcomes(path: Path, rows: Ints, datasets: Ints, models: Sequence[str], seed: int) -> None:
    generator = np.random.default_rng(seed)
    level = LEVEL * generator.normal(size=len(models))
    on_dataset = DATASET_SPREAD * generator.normal(size=(int(datasets.max()) + 1, len(models)))
    on_row = ROW_SPREAD * generator.normal(size=int(rows.max()) + 1)
    names = pa.array(models, pa.string())
    text = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema([("input_id", text), ("model", text), ("score", pa.float32())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(rows), BLOCK):
            end = min(len(rows), start + BLOCK)
            logits = level + on_dataset[datasets[start:end]] + on_row[rows[start:end], None]
            logits += INPUT_SPREAD * generator.normal(size=(end - start, 1))
            scores = (generator.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
            places, columns = np.divmod(np.arange(scores.size, dtype=np.int32), len(models))
            ids = pa.DictionaryArray.from_arrays(pa.array(places), pa.array(_ids(start, end), pa.string()))
            said = pa.DictionaryArray.from_arrays(pa.array(columns), names)
            writer.write_table(pa.table([ids, said, pa.array(scores.ravel())], schema=schema))
