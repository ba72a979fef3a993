"""Several sources as one benchmark, each model in every version that was measured.

A column holds a version's own outcomes where a source has them, else the same model's in another version of that
source: undated first, then the newest. Without that, a model would lack the evidence of every source that wrote its
version differently.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.public_pack.sources import ReadSource
from routing.arrays import Floats
from routing.benchmark import Benchmark, Model
from routing.catalogue.model_ids import ModelId, newest_first
from routing.curation.catalogue import size_in_name

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A model of the pack.

    Attributes:
        name: model and version.
        origins: source to the version that it gives; its own name there.
    """

    name: str
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ComposedBenchmark:
    """The benchmark of all sources, and where its columns come from."""

    benchmark: Benchmark
    columns: Sequence[Column]


def compose_sources(name: str, sources: Sequence[ReadSource], min_coverage: float) -> ComposedBenchmark:
    """Return the sources as one benchmark; rows in the order of the sources, models by name."""
    columns = sorted(_columns(sources), key=lambda column: column.name)
    starts = np.cumsum([0, *(len(source.benchmark.datasets) for source in sources)])
    benchmark = Benchmark(
        name=name,
        texts=tuple(text for source in sources for text in source.benchmark.texts),
        datasets=tuple(dataset for source in sources for dataset in source.benchmark.datasets),
        dataset_ids=np.concatenate(
            [source.benchmark.dataset_ids + start for source, start in zip(sources, starts, strict=False)]
        ),
        models=tuple(Model(column.name, _size(column, sources)) for column in columns),
        outcomes=np.vstack([_outcomes(source, columns) for source in sources]),
        input_ids=tuple(f"{source.about.name}/{one}" for source in sources for one in source.benchmark.input_ids),
        min_coverage=min_coverage,
    )
    return ComposedBenchmark(benchmark, columns)


def _columns(sources: Sequence[ReadSource]) -> Iterator[Column]:
    versions: dict[str, dict[str, dict[Version, str]]] = {}
    for source in sources:
        for name, found in zip(source.benchmark.model_names, source.models, strict=True):
            if found is not None:
                versions.setdefault(found.model, {}).setdefault(source.about.name, {}).setdefault(found.version, name)
    for model, by_source in versions.items():
        every = newest_first({version for one in by_source.values() for version in one})
        # Without a date, the plain name means the newest of the dated ones: a column of its own would repeat it.
        dated = [version for version in every if version] or [()]
        for version in dated:
            origins = {source: _nearest(version, given) for source, given in by_source.items()}
            yield Column("-".join(filter(None, (model, ModelId(model, version).version_text))), origins)


def _nearest(version: Version, given: Mapping[Version, str]) -> str:
    return given[version] if version in given else given[newest_first(given)[0]]


def _outcomes(source: ReadSource, columns: Sequence[Column]) -> Floats:
    benchmark = source.benchmark
    found = np.full((benchmark.n_inputs, len(columns)), np.nan)
    for place, column in enumerate(columns):
        if (name := column.origins.get(source.about.name)) is not None:
            found[:, place] = benchmark.outcomes[:, benchmark.model_names.index(name)]
    return found


def _size(column: Column, sources: Sequence[ReadSource]) -> float | None:
    for source in sources:
        for model in source.benchmark.models:
            if model.name == column.origins.get(source.about.name) and model.params_b is not None:
                return model.params_b
    return size_in_name(column.name)
