"""A pack: one benchmark made ready to route with, in a folder or the same as one .tar.

manifest.json      what it is (see routing.manifest)
embeddings.npy     (n_inputs, dim) float32, unit length
outcomes.npy       (n_inputs, n_models) float64, NaN = missing
dataset_ids.npy    (n_inputs,) int64
index.hnsw, index.json
calibration.npz    the pairs (u, p)
report.json        what leave-one-dataset-out says the pack is worth

and, where the manifest names them:

map.npz            the inputs in a plane, to look at (see routing.projection)
auto.npz           what the score `auto` learns from (see routing.auto.training_data)
texts.json         the beginning of every input's text
inputs.json        what the inputs are called, and digests of their texts
estimates.npz      outcomes that stand for those that were not measured (see routing.new_model)
embedder/…         the embedder itself (see routing.embedders.bundled)
"""

import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings, Floats, Ints
from routing.atomic_swap import swap_paths
from routing.auto.training_data import TrainingData
from routing.calibration import Calibration
from routing.errors import PackCorrupted, PackError, PackMismatch
from routing.input_index import InputIndex
from routing.manifest import MANIFEST, EmbedderId, Manifest, read_manifest
from routing.neighbours.hnsw import HnswIndex
from routing.projection import Projection

FILES = (
    "embeddings.npy",
    "outcomes.npy",
    "dataset_ids.npy",
    "index.hnsw",
    "index.json",
    "calibration.npz",
    "report.json",
)

MAP, TEXTS, AUTO, INPUTS, ESTIMATES = "map.npz", "texts.json", "auto.npz", "inputs.json", "estimates.npz"
OPTIONAL = (MAP, TEXTS, AUTO, INPUTS)
"""What a pack may hold beside these. Without them S1 to S3 are the same; there is no `auto`, and less can be shown.
ESTIMATES is there where a model was measured on some inputs only."""


@dataclass(frozen=True, slots=True)
class ImputedOutcomes:
    """Columns of `outcomes` that were measured in part.

    columns: (n_columns,). expected, filled: (n_inputs, n_columns), measured outcomes as they are; elsewhere the
    expected outcome, or one drawn by it, 0 or 1, which is as uneven as what was measured. errors: (n_datasets,
    n_columns) standard errors of the averages.
    """

    columns: Ints
    expected: Floats
    filled: Floats
    errors: Floats


@dataclass(frozen=True, slots=True)
class Pack:
    """An opened pack. Shapes as in the table above; `report` as in report.json.

    projection, texts, ground, inputs, estimates: None where the pack has none.
    carried: the files of its embedder, by name in the pack. An opened pack has none: `routing.embedders.bundled` reads
    them, so that tens of megabytes do not stay in memory beside the embedder that was made of them.
    """

    manifest: Manifest
    embeddings: Embeddings
    outcomes: Floats
    dataset_ids: Ints
    index: HnswIndex
    calibration: Calibration
    report: Mapping[str, Any]
    projection: Projection | None = None
    texts: tuple[str, ...] | None = None
    bundled_embedder: Mapping[str, bytes] = field(default_factory=dict)
    training_data: TrainingData | None = None
    input_index: InputIndex | None = None
    estimates: ImputedOutcomes | None = None

    def filled_outcomes(self) -> Floats:
        """The outcomes to predict from, drawn where they are estimated. (n_inputs, n_models)"""
        return self.outcomes if self.estimates is None else self._with(self.estimates, self.estimates.filled)

    def expected_outcomes(self) -> Floats:
        """The outcomes to take means of, expected where they are estimated. (n_inputs, n_models)"""
        return self.outcomes if self.estimates is None else self._with(self.estimates, self.estimates.expected)

    def _with(self, estimates: ImputedOutcomes, values: Floats) -> Floats:
        found = self.outcomes.copy()
        found[:, estimates.columns] = values
        return found


def save_pack(pack: Pack, path: Path) -> Manifest:
    """Writes a pack beside its place and moves it there whole; a name ending in .tar makes one file.

    An older pack of that name is replaced, in one step; who has it open, its vectors mapped, goes on with it as it was.
    Anything else there is refused with PackError. Returns the sealed manifest.
    """
    if path.exists() and not _is_pack(path):
        raise PackError(f"{path} exists and is no pack: it is left alone")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        folder = Path(scratch) / "pack"
        folder.mkdir()
        manifest = _write_files(pack, folder)
        made = folder
        if path.suffix == ".tar":
            made = Path(scratch) / "pack.tar"
            with tarfile.open(made, "w") as tar:
                for name in (MANIFEST, *manifest.files):
                    tar.add(folder / name, arcname=name)
        if path.is_dir() or (path.exists() and made.is_dir()):
            swap_paths(made, path)
        else:
            os.replace(made, path)
    return manifest


def open_pack(path: Path, embedder: EmbedderId | None = None) -> Pack:
    """Opens a pack and checks all of it.

    embedder: the one that will embed the tasks; None where the caller brings vectors of its own.
    Raises PackCorrupted for a missing, truncated or altered file, PackMismatch for another schema, embedder or shape.
    """
    manifest = read_manifest(path)
    if embedder is not None and not manifest.embedder.matches(embedder):
        raise PackMismatch(
            f"{path} was built with embedder {manifest.embedder}, the tasks would be embedded with {embedder}"
        )
    with _folder_of(path) as folder:
        _check_files(folder, manifest, path)
        return _load(folder, manifest, path)


def _is_pack(path: Path) -> bool:
    return path.suffix == ".tar" if path.is_file() else (path / MANIFEST).exists() or not any(path.iterdir())


def _write_files(pack: Pack, folder: Path) -> Manifest:
    np.save(folder / "embeddings.npy", pack.embeddings)
    np.save(folder / "outcomes.npy", pack.outcomes)
    np.save(folder / "dataset_ids.npy", pack.dataset_ids)
    pack.index.save_index(folder / "index.hnsw", folder / "index.json")
    calibration = pack.calibration
    np.savez(
        folder / "calibration.npz",
        distances=calibration.distances,
        accuracies=calibration.accuracies,
        weights=calibration.weights,
        dataset_ids=calibration.dataset_ids,
    )
    (folder / "report.json").write_text(json.dumps(pack.report, indent=2) + "\n")
    for name, data in pack.bundled_embedder.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    written = (*FILES, *_write_optional(pack, folder), *sorted(pack.bundled_embedder))
    manifest = replace(pack.manifest, files={name: _sha256(folder / name) for name in written}).with_content_hash()
    (folder / MANIFEST).write_text(manifest.to_json())
    return manifest


def _write_optional(pack: Pack, folder: Path) -> Iterator[str]:
    if (shown := pack.projection) is not None:
        np.savez(folder / MAP, mean=shown.mean, axes=shown.axes, rows=shown.rows, points=shown.points)
        yield MAP
    if pack.texts is not None:
        (folder / TEXTS).write_text(json.dumps(pack.texts, ensure_ascii=False) + "\n", encoding="utf-8")
        yield TEXTS
    if pack.training_data is not None:
        np.savez(folder / AUTO, **asdict(pack.training_data))
        yield AUTO
    if pack.input_index is not None:
        (folder / INPUTS).write_text(json.dumps(asdict(pack.input_index), ensure_ascii=False) + "\n", encoding="utf-8")
        yield INPUTS
    if pack.estimates is not None:
        np.savez(folder / ESTIMATES, **asdict(pack.estimates))
        yield ESTIMATES


@contextmanager
def _folder_of(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="benchroute-pack-") as scratch:
        try:
            with tarfile.open(path) as tar:
                tar.extractall(scratch, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise PackCorrupted(f"{path} cannot be unpacked: {error}") from error
        yield Path(scratch)


def _check_files(folder: Path, manifest: Manifest, path: Path) -> None:
    for name in dict.fromkeys((*FILES, *manifest.files)):
        named = manifest.files.get(name, "")
        if not (folder / name).exists():
            raise PackCorrupted(f"{path}: {name} is missing")
        found = _sha256(folder / name)
        if found != named:
            raise PackCorrupted(f"{path}: {name} has hash {found[:12]}, the manifest names {named[:12] or 'none'}")


def _load(folder: Path, manifest: Manifest, path: Path) -> Pack:
    with np.load(folder / "calibration.npz", allow_pickle=False) as saved:
        calibration = Calibration(saved["distances"], saved["accuracies"], saved["weights"], saved["dataset_ids"])
    pack = Pack(
        manifest=manifest,
        # Mapped: scorers of one machine share its pages, and the index has vectors of its own for every search.
        embeddings=np.load(folder / "embeddings.npy", allow_pickle=False, mmap_mode="r" if path.is_dir() else None),
        outcomes=np.load(folder / "outcomes.npy", allow_pickle=False),
        dataset_ids=np.load(folder / "dataset_ids.npy", allow_pickle=False),
        index=HnswIndex.load_index(folder / "index.hnsw", folder / "index.json"),
        calibration=calibration,
        report=json.loads((folder / "report.json").read_text()),
        projection=_load_map(folder) if MAP in manifest.files else None,
        texts=tuple(json.loads((folder / TEXTS).read_text(encoding="utf-8"))) if TEXTS in manifest.files else None,
        training_data=_load_ground(folder) if AUTO in manifest.files else None,
        input_index=_load_inputs(folder) if INPUTS in manifest.files else None,
        estimates=_load_estimates(folder) if ESTIMATES in manifest.files else None,
    )
    n_inputs, n_models, dim = manifest.n_inputs, len(manifest.models), manifest.embedder.dim
    _expect(path, "embeddings.npy", pack.embeddings, (n_inputs, dim))
    _expect(path, "outcomes.npy", pack.outcomes, (n_inputs, n_models))
    _expect(path, "dataset_ids.npy", pack.dataset_ids, (n_inputs,))
    _expect(path, "calibration.npz", calibration.accuracies, (len(calibration.distances), n_models))
    if pack.projection is not None:
        _expect(path, MAP, pack.projection.axes, (2, dim))
        _expect(path, MAP, pack.projection.points, (len(pack.projection.rows), 2))
    if pack.texts is not None and len(pack.texts) != n_inputs:
        raise PackMismatch(f"{path}: {TEXTS} holds {len(pack.texts)} texts, the manifest says {n_inputs}")
    if pack.training_data is not None:
        _expect(path, AUTO, pack.training_data.averages, (len(manifest.datasets), n_models))
        _expect(path, AUTO, pack.training_data.centres, (len(manifest.datasets), dim))
        _expect(path, AUTO, pack.training_data.near, (len(manifest.datasets), n_models))
        _expect(path, AUTO, pack.training_data.within, (n_models, n_models))
        _expect(path, AUTO, pack.training_data.sampling, (n_models, n_models))
    if pack.input_index is not None and len(pack.input_index.digests) != n_inputs:
        raise PackMismatch(
            f"{path}: {INPUTS} names {len(pack.input_index.digests)} inputs, the manifest says {n_inputs}"
        )
    if pack.estimates is not None:
        count = len(pack.estimates.columns)
        _expect(path, ESTIMATES, pack.estimates.filled, (n_inputs, count))
        _expect(path, ESTIMATES, pack.estimates.expected, (n_inputs, count))
        _expect(path, ESTIMATES, pack.estimates.errors, (len(manifest.datasets), count))
    if (pack.index.size, pack.index.dim) != (n_inputs, dim):
        raise PackMismatch(
            f"{path}: the index holds {pack.index.size} x {pack.index.dim}, the manifest says {n_inputs} x {dim}"
        )
    return pack


def _load_map(folder: Path) -> Projection:
    with np.load(folder / MAP, allow_pickle=False) as saved:
        return Projection(saved["mean"], saved["axes"], saved["rows"], saved["points"])


def _load_inputs(folder: Path) -> InputIndex:
    named = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
    return InputIndex(tuple(named["ids"]), tuple(named["digests"]))


def _load_estimates(folder: Path) -> ImputedOutcomes:
    with np.load(folder / ESTIMATES, allow_pickle=False) as saved:
        return ImputedOutcomes(saved["columns"], saved["expected"], saved["filled"], saved["errors"])


def _load_ground(folder: Path) -> TrainingData:
    with np.load(folder / AUTO, allow_pickle=False) as saved:
        return TrainingData(**{name: saved[name] for name in TrainingData.__slots__})


def _expect(path: Path, file: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise PackMismatch(f"{path}: {file} has shape {array.shape}, the manifest says {shape}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
