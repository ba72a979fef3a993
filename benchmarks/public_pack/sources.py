"""A source of the public pack: its inputs, drawn and regrouped, under the catalogue's names of models."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from routing.benchmark import Benchmark, Dataset
from routing.catalogue.model_ids import ModelId, ModelIds
from routing.limit import draw_inputs
from routing.tidy import read_benchmark

SOURCES = Path(__file__).with_name("sources.toml")
HARD, THINK = "-hard", "-think"


@dataclass(frozen=True, slots=True)
class Source:
    """An entry of sources.toml."""

    name: str
    folder: str
    limit: int
    title: str
    url: str
    commit: str
    paper: str
    licence: str
    credit: str
    measured: str
    leave_out: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadSource:
    """A source in memory.

    Attributes:
        about: its entry.
        benchmark: drawn inputs; models as the source names them.
        models: column to the model that it means; None where it is left out.
    """

    about: Source
    benchmark: Benchmark
    models: Sequence[ModelId | None]


def list_sources(path: Path = SOURCES) -> list[Source]:
    """Return the entries of sources.toml."""
    document: Mapping[str, Mapping[str, Any]] = tomllib.loads(path.read_text())["sources"]
    return [Source(name, **entry) for name, entry in document.items()]


def read_source(about: Source, root: Path, ids: ModelIds) -> ReadSource:
    """Read a source. root: the folder that `folder` is below. Raises BenchmarkError, ValueError for a missing group."""
    whole = regroup(read_benchmark(root / about.folder), about.groups)
    names = [dataset.name for dataset in whole.datasets]
    is_measured = [not missing.all() for missing in np.isnan(whole.outcomes)]
    rows = draw_inputs([names[one] for one in whole.dataset_ids], is_measured, about.limit)
    drawn = replace(
        whole,
        datasets=tuple(replace(one, source=about.name, licence=about.licence) for one in whole.datasets),
        texts=tuple(whole.texts[row] for row in rows),
        input_ids=tuple(whole.input_ids[row] for row in rows),
        dataset_ids=whole.dataset_ids[rows],
        # Partial credit to a hundredth, which is less than its noise.
        outcomes=np.round(whole.outcomes[rows], 2),
        loglik=None,
    )
    return ReadSource(about, drawn, [resolve_name(about, name, ids) for name in drawn.model_names])


def resolve_name(about: Source, name: str, ids: ModelIds) -> ModelId | None:
    """Return the model that a source's name means; None where it is left out, or unknown to the catalogue."""
    if name in about.leave_out:
        return None
    written = about.names.get(name, name.replace("_", "-"))
    found = ids.resolve(written)
    if not found.is_listed and written.endswith(THINK):
        # A model that always reasons, or by default.
        found = ids.resolve(written.removesuffix(THINK))
    return found if found.is_listed else None


def regroup(benchmark: Benchmark, groups: Mapping[str, Sequence[str]]) -> Benchmark:
    """Return the benchmark with datasets joined into groups; unchanged without groups.

    Raises ValueError for a dataset that no group has.
    """
    if not groups:
        return benchmark
    group_of = {member: group for group, members in groups.items() for member in members}
    named = [_group_name(dataset.name, group_of) for dataset in benchmark.datasets]
    order = sorted(set(named))
    places = np.array([order.index(name) for name in named])
    return replace(
        benchmark, datasets=tuple(Dataset(name) for name in order), dataset_ids=places[benchmark.dataset_ids]
    )


def _group_name(dataset: str, group_of: Mapping[str, str]) -> str:
    plain = dataset.removesuffix(HARD)
    if plain not in group_of:
        raise ValueError(f"dataset {dataset} is in no group of sources.toml")
    return group_of[plain] + (HARD if dataset.endswith(HARD) else "")
