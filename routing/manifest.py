"""Manifest of a pack. Plain data and JSON without numpy: the gateway reads it without loading the pack."""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from routing.bounded import InvalidArchive, LimitExceeded, read_file, read_tar_member
from routing.errors import PackCorrupted, PackError, PackMismatch

SCHEMA = 3
"""Newest schema. 2: smaller files (routing.pack). 3: inverted lists (routing.neighbours.stored)."""
GRAPH_SCHEMA = 2
"""Schema of new packs with a graph, which earlier versions read too."""
OLDEST_SCHEMA = 1
MANIFEST = "manifest.json"

GRAPH_FILE, LISTS_FILE = "index.hnsw", "index.ivf"
"""The index of a pack (routing.neighbours.stored): a graph, or inverted lists."""
MAX_GRAPH = 50_000
"""Inputs up to which a pack has a graph. Beyond, its build takes minutes, then hours: it grows as n^1.3 and more."""

ROUNDING = 1e-9
MAX_NAMES = 5
"""Names of datasets that an error lists."""


@dataclass(frozen=True, slots=True)
class EmbedderId:
    """Identity of the embedder that made the vectors.

    Attributes:
        name: full model name.
        revision: fingerprint of the weights; empty if it was not recorded.
        dim: length of a vector.
    """

    name: str
    revision: str
    dim: int

    def __str__(self) -> str:
        return f"{self.name} (revision {self.revision or 'unknown'}, {self.dim} dimensions)"

    def matches(self, other: "EmbedderId") -> bool:
        """Return True if vectors of both can be compared."""
        revisions = {self.revision, other.revision} - {""}
        return self.name == other.name and self.dim == other.dim and len(revisions) <= 1


@dataclass(frozen=True, slots=True)
class PackDataset:
    """A dataset in a pack: its source and its number of inputs."""

    name: str
    n_inputs: int
    threshold: float = 0.5
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class PackModel:
    """A model in a pack.

    Attributes:
        average: macro-average outcome in [0, 1], estimated where it lacks outcomes; None without any outcome.
        partial: True if it was not measured on every input.
        params_b: billions of parameters.
        input_usd_per_mtok: price in USD per million input tokens.
        output_usd_per_mtok: price in USD per million output tokens.
        coverage: mean over datasets of the share of inputs with an outcome; None where it is 1, or in older packs.
        standard_error: of an estimated average; None where every input was measured.
    """

    name: str
    average: float | None
    partial: bool = False
    params_b: float | None = None
    input_usd_per_mtok: float | None = None
    output_usd_per_mtok: float | None = None
    coverage: float | None = None
    standard_error: float | None = None


@dataclass(frozen=True, slots=True)
class AddedModel:
    """A model that was added to a pack after it was built.

    Attributes:
        model: its name.
        parent: hash of the pack before.
        n_measured: inputs with an outcome.
        standard_error: of the model's average, which is estimated where not every input was measured; None where
            every input was.
    """

    model: str
    parent: str
    n_measured: int
    standard_error: float | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The first file of a pack.

    Attributes:
        models: in the order of the outcome columns.
        on_average: their names from best to worst, m* first.
        routing: the routing parameters the pack was made with.
        calibration: the calibration parameters, likewise.
        files: SHA-256 of every other file.
        hash: SHA-256 over all of it but maker and time, so that the same content has the same hash wherever it was
            built.
        added: models added later, in that order.
        min_coverage: coverage that a model needs to be best on average; None where every model has full coverage.
    """

    name: str
    n_inputs: int
    embedder: EmbedderId
    datasets: tuple[PackDataset, ...]
    models: tuple[PackModel, ...]
    on_average: tuple[str, ...]
    routing: Mapping[str, float]
    calibration: Mapping[str, Any]
    files: Mapping[str, str]
    made_by: str = ""
    made_at: str = ""
    software: str = ""
    schema: int = GRAPH_SCHEMA
    hash: str = field(default="")
    added: tuple[AddedModel, ...] = ()
    min_coverage: float | None = None

    def compute_hash(self) -> str:
        """Return the content hash that `hash` must equal."""
        content = self._document()
        for name in ("hash", "made_by", "made_at", "software"):
            # Maker, time and software version differ between two builds of the same content.
            del content[name]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def with_content_hash(self) -> "Manifest":
        """Return the manifest with its hash filled in."""
        return replace(self, hash=self.compute_hash())

    def to_json(self) -> str:
        """Return the text of manifest.json."""
        return json.dumps(self._document(), indent=2) + "\n"

    def _document(self) -> dict[str, Any]:
        """Return the members of manifest.json."""
        content = asdict(self)
        # Packs built before models could be added have no such member; leaving it out keeps their hashes valid.
        if not self.added:
            del content["added"]
        # Likewise members that only models with gaps have.
        if self.min_coverage is None:
            del content["min_coverage"]
        for model in content["models"]:
            for name in ("coverage", "standard_error"):
                if model[name] is None:
                    del model[name]
        return content

    def find_estimated(self, model: str) -> AddedModel | None:
        """Return the record of a model whose average is estimated; None if it was measured on all inputs."""
        return next((added for added in self.added if added.model == model and added.standard_error is not None), None)

    def below_coverage(self) -> tuple[PackModel, ...]:
        """Return the models whose coverage is below the floor, best covered first: they follow all others on average.

        Where no model reaches the floor, those that share the best coverage are eligible in its place.
        """
        if self.min_coverage is None:
            return ()
        floor = min(self.min_coverage, max(_coverage(model) for model in self.models))
        below = [model for model in self.models if _coverage(model) < floor - ROUNDING]
        return tuple(sorted(below, key=_coverage, reverse=True))

    def find_dataset(self, name: str) -> int | None:
        """Return the number of a dataset in `datasets`; None for an unknown name."""
        return next((number for number, dataset in enumerate(self.datasets) if dataset.name == name), None)

    def describe_unknown_dataset(self, name: str) -> str:
        """Return what is wrong with the name of a dataset that the pack does not have, with similar names."""
        known = [dataset.name for dataset in self.datasets]
        # By lower case: a name is mistaken in its spelling as often as in its capitals.
        spelt = {one.lower(): one for one in reversed(known)}
        near = [spelt[one] for one in difflib.get_close_matches(name.lower(), spelt, MAX_NAMES)]
        names = ", ".join(near or known[:MAX_NAMES])
        more = "" if near or len(known) <= MAX_NAMES else f" and {len(known) - MAX_NAMES} more"
        return f"pack {self.name} has no dataset {name!r}{'; similar: ' if near else ': it has '}{names}{more}"

    @property
    def index_file(self) -> str:
        """Name of the index's file."""
        return LISTS_FILE if self.has_lists else GRAPH_FILE

    @property
    def has_lists(self) -> bool:
        """True for inverted lists, False for a graph."""
        return LISTS_FILE in self.files

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models in the order of the outcome columns."""
        return tuple(model.name for model in self.models)


def _coverage(model: PackModel) -> float:
    return 1.0 if model.coverage is None else model.coverage


def parse_manifest(text: str, where: str) -> Manifest:
    """Parse a manifest. Raises PackMismatch for another schema, PackCorrupted where the hash does not match."""
    try:
        raw = json.loads(text)
        if raw["schema"] not in range(OLDEST_SCHEMA, SCHEMA + 1):
            raise PackMismatch(
                f"{where} has schema {raw['schema']}, this version reads schema {SCHEMA} and older: "
                "upgrade benchroute, or build the pack again"
            )
        manifest = Manifest(
            **{
                **raw,
                "embedder": EmbedderId(**raw["embedder"]),
                "datasets": tuple(PackDataset(**dataset) for dataset in raw["datasets"]),
                "models": tuple(PackModel(**model) for model in raw["models"]),
                "on_average": tuple(raw["on_average"]),
                "added": tuple(AddedModel(**added) for added in raw.get("added", ())),
            }
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PackCorrupted(f"{where}: {MANIFEST} cannot be read: {error!r}") from error
    if manifest.hash != manifest.compute_hash():
        raise PackCorrupted(
            f"{where}: {MANIFEST} was altered: it names hash {manifest.hash[:12]}, its content has "
            f"{manifest.compute_hash()[:12]}"
        )
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of a pack, a folder or a .tar, without the other files. Raises PackError."""
    return parse_manifest(_manifest_text(path), str(path))


def _manifest_text(path: Path) -> str:
    try:
        if path.is_dir():
            return read_file(path / MANIFEST).decode("utf-8")
        return read_tar_member(path, MANIFEST).decode("utf-8")
    except FileNotFoundError as error:
        raise PackError(f"Pack not found: {error.filename or path} does not exist") from error
    except KeyError as error:
        raise PackError(f"{path} is not a pack: it has no {MANIFEST}") from error
    except (OSError, UnicodeDecodeError, LimitExceeded, InvalidArchive) as error:
        raise PackError(f"{path} is not a pack: {error}") from error
