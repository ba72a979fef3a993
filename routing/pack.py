"""A pack: one benchmark prepared to route with, as a folder or as one .tar.

manifest.json      identity and contents (routing.manifest)
embeddings.npy     (n_inputs, dim), unit length
outcomes.npy       (n_inputs, n_models)
dataset_ids.npy    (n_inputs,)
index.hnsw or index.ivf    the index of the nearest inputs, without their vectors (routing.neighbours.stored)
index.json         its arguments
calibration.npz    the pairs (u, p)
report.json        leave-one-dataset-out result of the pack

and, where the manifest names them:

map.npz            the inputs in a plane, for display (routing.projection)
auto.npz           training data of the score `auto` (routing.auto.training_data)
texts.json         the beginning of every input's text
inputs.json        ids of the inputs, and digests of their texts
estimates.npz      imputed outcomes of models measured in part (routing.new_model)
embedder/…         the embedder itself (routing.embedders.bundled)

routing.pack_arrays describes the forms of arrays. Packs of schema 1, which are still read, have wider numbers, and a
second copy of the vectors in index.hnsw.
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
from routing.auto.membership import fit_membership
from routing.auto.references import DatasetReferences
from routing.auto.training_data import TrainingData, count_outcomes
from routing.bounded import (
    InvalidArchive,
    LimitExceeded,
    describe,
    extract_tar,
    is_member_name,
    load_json,
    reading_pack,
)
from routing.bounded_arrays import load_npz
from routing.calibration import Calibration
from routing.errors import NeighboursError, PackCorrupted, PackError, PackMismatch, RoutingError
from routing.input_index import InputIndex
from routing.manifest import (
    GRAPH_FILE,
    GRAPH_SCHEMA,
    MANIFEST,
    SCHEMA,
    EmbedderId,
    Manifest,
    read_manifest,
)
from routing.neighbours.ivf import IvfIndex
from routing.neighbours.stored import PackIndex, index_file, load_index, save_index
from routing.pack_arrays import (
    load_calibration,
    load_dataset_ids,
    load_embeddings,
    load_outcomes,
    save_calibration,
    save_dataset_ids,
    save_embeddings,
    save_outcomes,
)
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
"""Required files. A large pack has index.ivf in the place of index.hnsw."""

MAP, TEXTS, AUTO, INPUTS, ESTIMATES = "map.npz", "texts.json", "auto.npz", "inputs.json", "estimates.npz"
TRAINING_ARRAYS = ("averages", "centres", "near", "within", "sampling")
OPTIONAL = (MAP, TEXTS, AUTO, INPUTS)
"""Optional files. Without them S1 to S3 are the same; `auto` is not available, and less can be shown.
ESTIMATES exists if a model was measured on some inputs only."""


@dataclass(frozen=True, slots=True)
class ImputedOutcomes:
    """Columns of `outcomes` that were measured in part.

    Attributes:
        columns: (n_columns,) of the outcomes.
        expected: (n_inputs, n_columns) measured outcomes, and the expected outcome elsewhere.
        filled: (n_inputs, n_columns) measured outcomes, and elsewhere a sample of the expected one, 0 or 1, as uneven
            as measured outcomes are.
        errors: (n_datasets, n_columns) standard errors of the averages.
    """

    columns: Ints
    expected: Floats
    filled: Floats
    errors: Floats


@dataclass(frozen=True, slots=True)
class Pack:
    """An opened pack. Shapes as in the table above.

    Attributes:
        report: content of report.json.
        projection: None if the pack has none; likewise texts, training_data, input_index and estimates.
        bundled_embedder: files of its embedder, by name in the pack. Empty in an opened pack:
            `routing.embedders.bundled` reads them, so that tens of megabytes do not stay in memory next to the
            embedder built from them.
    """

    manifest: Manifest
    embeddings: Embeddings
    outcomes: Floats
    dataset_ids: Ints
    index: PackIndex
    calibration: Calibration
    report: Mapping[str, Any]
    projection: Projection | None = None
    texts: tuple[str, ...] | None = None
    bundled_embedder: Mapping[str, bytes] = field(default_factory=dict)
    training_data: TrainingData | None = None
    input_index: InputIndex | None = None
    estimates: ImputedOutcomes | None = None

    def filled_outcomes(self) -> Floats:
        """Return the outcomes to predict from, sampled where they are imputed. (n_inputs, n_models)"""
        return self.outcomes if self.estimates is None else self._with(self.estimates, self.estimates.filled)

    def expected_outcomes(self) -> Floats:
        """Return the outcomes to average, expected values where they are imputed. (n_inputs, n_models)"""
        return self.outcomes if self.estimates is None else self._with(self.estimates, self.estimates.expected)

    def _with(self, estimates: ImputedOutcomes, values: Floats) -> Floats:
        found = self.outcomes.copy()
        found[:, estimates.columns] = values
        return found


def save_pack(pack: Pack, path: Path) -> Manifest:
    """Write a pack to a temporary place and move it to `path` whole; a name ending in .tar makes one file.

    An existing pack of that name is replaced atomically; processes that have it open, its vectors mapped, keep the
    old one. Anything else at `path` is refused with PackError. Returns the manifest with its content hash.
    """
    if path.exists() and not _is_pack(path):
        raise PackError(f"{path} exists and is not a pack: refusing to overwrite it")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Next to the target, since a rename is atomic only within a file system.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        folder = Path(scratch) / "pack"
        folder.mkdir()
        manifest = _write_files(pack, folder)
        result = folder
        if path.suffix == ".tar":
            result = Path(scratch) / "pack.tar"
            with tarfile.open(result, "w") as tar:
                for name in (MANIFEST, *manifest.files):
                    tar.add(folder / name, arcname=name, filter=_without_origin)
        # os.replace cannot replace a non-empty folder; renameat2 exchanges it in one step.
        if path.is_dir() or (path.exists() and result.is_dir()):
            swap_paths(result, path)
        else:
            os.replace(result, path)
    return manifest


def open_pack(path: Path, embedder: EmbedderId | None = None, *, with_input_index: bool = True) -> Pack:
    """Open a pack and check all of it.

    embedder: the embedder of the tasks' inputs; None where the caller brings vectors of its own. with_input_index:
    False leaves out the names of inputs, which routing does not need: of a million, 150 MB.
    Raises PackCorrupted for a missing, truncated or altered file, PackMismatch for another schema, embedder or shape.
    """
    manifest = read_manifest(path)
    if embedder is not None and not manifest.embedder.matches(embedder):
        raise PackMismatch(
            f"{path} was built with embedder {manifest.embedder}, but tasks are embedded with {embedder}"
        )
    with reading_pack(), _folder_of(path) as folder:
        _check_files(folder, manifest, path)
        try:
            return _load(folder, manifest, path, with_input_index)
        except (NeighboursError, PackError):
            raise
        # Whoever made the pack hashed what is in it: the content of any of its files can be anything.
        except (RoutingError, ValueError, KeyError, TypeError, IndexError, AttributeError, OSError) as error:
            raise PackCorrupted(f"{path} cannot be read: {describe(error)}") from error
        except (MemoryError, OverflowError, FloatingPointError) as error:
            raise PackCorrupted(f"{path} needs more than this machine's memory") from error


def _without_origin(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member without time and owner: the same pack is the same archive, byte for byte."""
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


def _is_pack(path: Path) -> bool:
    return path.suffix == ".tar" if path.is_file() else (path / MANIFEST).exists() or not any(path.iterdir())


def _write_files(pack: Pack, folder: Path) -> Manifest:
    index, has_lists = index_file(pack.index), isinstance(pack.index, IvfIndex)
    save_embeddings(folder / "embeddings.npy", pack.embeddings, is_mappable=has_lists)
    save_outcomes(folder / "outcomes.npy", pack.outcomes)
    save_dataset_ids(folder / "dataset_ids.npy", pack.dataset_ids)
    save_index(pack.index, folder, pack.embeddings)
    save_calibration(folder / "calibration.npz", pack.calibration)
    (folder / "report.json").write_text(json.dumps(pack.report, indent=2) + "\n")
    for name, data in pack.bundled_embedder.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    written = (*_required_files(index), *_write_optional(pack, folder), *sorted(pack.bundled_embedder))
    files = {name: _sha256(folder / name) for name in written}
    # A pack of an older schema that was changed is written in this one.
    schema = SCHEMA if has_lists else GRAPH_SCHEMA
    manifest = replace(pack.manifest, files=files, schema=schema).with_content_hash()
    (folder / MANIFEST).write_text(manifest.to_json())
    return manifest


def _required_files(index: str) -> tuple[str, ...]:
    """Return the names of required files. index: that of the index."""
    return tuple(index if name == GRAPH_FILE else name for name in FILES)


def _write_optional(pack: Pack, folder: Path) -> Iterator[str]:
    if (shown := pack.projection) is not None:
        # Uncompressed: the arrays are float noise, and np.load of a compressed file is slower.
        np.savez(folder / MAP, mean=shown.mean, axes=shown.axes, rows=shown.rows, points=shown.points)
        yield MAP
    if pack.texts is not None:
        (folder / TEXTS).write_text(json.dumps(pack.texts, ensure_ascii=False) + "\n", encoding="utf-8")
        yield TEXTS
    if pack.training_data is not None:
        np.savez(folder / AUTO, **_training_arrays(pack.training_data))
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
            extract_tar(path, Path(scratch))
        except (OSError, InvalidArchive, LimitExceeded) as error:
            raise PackCorrupted(str(error)) from error
        yield Path(scratch)


def _check_files(folder: Path, manifest: Manifest, path: Path) -> None:
    for name in dict.fromkeys((*_required_files(manifest.index_file), *manifest.files)):
        if not is_member_name(name):
            raise PackCorrupted(f"{path}: {MANIFEST} names {name!r}, which lies outside of the pack")
        # Required files even if the manifest omits them, so that a stripped manifest cannot skip a check.
        named = manifest.files.get(name, "")
        if not (folder / name).is_file():
            raise PackCorrupted(f"{path}: {name} is missing")
        found = _sha256(folder / name)
        if found != named:
            raise PackCorrupted(f"{path}: {name} has hash {found[:12]}, the manifest names {named[:12] or 'none'}")


def _load(folder: Path, manifest: Manifest, path: Path, with_input_index: bool) -> Pack:
    calibration = load_calibration(folder / "calibration.npz")
    embeddings = load_embeddings(folder / "embeddings.npy", path.is_dir())
    # Before the index, which reads as many vectors as its graph has nodes.
    _check_shape(path, "embeddings.npy", embeddings, (manifest.n_inputs, manifest.embedder.dim))
    pack = Pack(
        manifest=manifest,
        embeddings=embeddings,
        outcomes=load_outcomes(folder / "outcomes.npy"),
        dataset_ids=load_dataset_ids(folder / "dataset_ids.npy"),
        index=load_index(folder, manifest.index_file, embeddings),
        calibration=calibration,
        report=load_json(folder / "report.json"),
        projection=_load_map(folder) if MAP in manifest.files else None,
        texts=tuple(load_json(folder / TEXTS)) if TEXTS in manifest.files else None,
        training_data=None,
        input_index=_load_inputs(folder) if with_input_index and INPUTS in manifest.files else None,
        estimates=_load_estimates(folder) if ESTIMATES in manifest.files else None,
    )
    n_inputs, n_models, dim = manifest.n_inputs, len(manifest.models), manifest.embedder.dim
    _check_shape(path, "outcomes.npy", pack.outcomes, (n_inputs, n_models))
    _check_shape(path, "dataset_ids.npy", pack.dataset_ids, (n_inputs,))
    _check_shape(path, "calibration.npz", calibration.accuracies, (len(calibration.distances), n_models))
    if pack.projection is not None:
        _check_shape(path, MAP, pack.projection.axes, (2, dim))
        _check_shape(path, MAP, pack.projection.points, (len(pack.projection.rows), 2))
    if pack.texts is not None and len(pack.texts) != n_inputs:
        raise PackMismatch(f"{path}: {TEXTS} has {len(pack.texts)} texts, the manifest names {n_inputs} inputs")
    if AUTO in manifest.files:
        data = _load_training_data(folder, pack.embeddings, path)
        if data.counts is None:
            # A pack of an earlier version: counted here, so that a task can be declared to be one of its datasets.
            data = replace(data, counts=count_outcomes(pack.outcomes, pack.dataset_ids, len(manifest.datasets)))
        pack = replace(pack, training_data=data)
    if pack.training_data is not None:
        _check_shape(path, AUTO, pack.training_data.averages, (len(manifest.datasets), n_models))
        _check_shape(path, AUTO, pack.training_data.centres, (len(manifest.datasets), dim))
        _check_shape(path, AUTO, pack.training_data.near, (len(manifest.datasets), n_models))
        _check_shape(path, AUTO, pack.training_data.within, (n_models, n_models))
        _check_shape(path, AUTO, pack.training_data.sampling, (n_models, n_models))
    if pack.input_index is not None and len(pack.input_index.digests) != n_inputs:
        raise PackMismatch(
            f"{path}: {INPUTS} has {len(pack.input_index.digests)} inputs, the manifest names {n_inputs}"
        )
    if pack.estimates is not None:
        count = len(pack.estimates.columns)
        _check_shape(path, ESTIMATES, pack.estimates.filled, (n_inputs, count))
        _check_shape(path, ESTIMATES, pack.estimates.expected, (n_inputs, count))
        _check_shape(path, ESTIMATES, pack.estimates.errors, (len(manifest.datasets), count))
    if (pack.index.size, pack.index.dim) != (n_inputs, dim):
        raise PackMismatch(
            f"{path}: the index has {pack.index.size} x {pack.index.dim}, the manifest names {n_inputs} x {dim}"
        )
    return pack


def _load_map(folder: Path) -> Projection:
    saved = load_npz(folder / MAP)
    return Projection(saved["mean"], saved["axes"], saved["rows"], saved["points"])


def _load_inputs(folder: Path) -> InputIndex:
    named = load_json(folder / INPUTS)
    return InputIndex(tuple(named["ids"]), tuple(named["digests"]))


def _load_estimates(folder: Path) -> ImputedOutcomes:
    saved = load_npz(folder / ESTIMATES)
    return ImputedOutcomes(saved["columns"], saved["expected"], saved["filled"], saved["errors"])


def _training_arrays(data: TrainingData) -> dict[str, Any]:
    found = {name: getattr(data, name) for name in (*TRAINING_ARRAYS, "counts")}
    if data.membership is not None:
        # Rows instead of the references' embeddings, which the pack holds already.
        references = data.membership.references
        found.update(reference_rows=references.rows, reference_similarities=references.similarities)
    return {name: array for name, array in found.items() if array is not None}


def _load_training_data(folder: Path, embeddings: Embeddings, path: Path) -> TrainingData:
    saved = load_npz(folder / AUTO)
    arrays: dict[str, Any] = {name: saved[name] for name in TRAINING_ARRAYS}
    data = TrainingData(**arrays)
    # Packs of earlier versions have no references: no task is then taken for one of their datasets.
    if "reference_rows" not in saved:
        return data
    counts, rows, similarities = saved["counts"], saved["reference_rows"], saved["reference_similarities"]
    _check_shape(path, AUTO, counts, data.averages.shape)
    _check_shape(path, AUTO, similarities, (len(counts), *rows.shape[1:], len(counts)))
    if len(rows) != len(counts) or rows.max(initial=-1) >= len(embeddings) or rows.min(initial=0) < -1:
        raise PackMismatch(f"{path}: {AUTO} names reference inputs that the pack does not have")
    references = DatasetReferences.from_rows(embeddings, rows, similarities)
    return replace(data, counts=counts, membership=fit_membership(references))


def _check_shape(path: Path, file: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise PackMismatch(f"{path}: {file} has shape {array.shape}, expected {shape} by the manifest")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
