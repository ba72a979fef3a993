"""Build of a pack from a benchmark: index, calibrate, and evaluate."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from routing.arrays import Embeddings, Ints
from routing.auto.training_data import build_training_data
from routing.averages import AverageEstimates
from routing.benchmark import Benchmark
from routing.calibration import CalibrationSettings, RoutingSettings, calibrate_reliability, hold_out_datasets
from routing.embedder import Embedder, canonical_name
from routing.errors import BenchmarkError
from routing.input_index import InputIndex
from routing.input_sample import sample_inputs
from routing.manifest import MAX_GRAPH, EmbedderId, Manifest, PackDataset, PackModel
from routing.neighbours.ivf import InvertedLists
from routing.neighbours.stored import build_index, divide_large, search_lists
from routing.pack import Pack
from routing.pack_arrays import round_vectors
from routing.projection import fit_projection
from routing.report import REPORT_NEIGHBOURS, build_report
from routing.tidy import GivenEmbeddings

BuildSteps = Callable[[str, int, int], None]
"""Called with (name of the phase, steps done, total steps)."""


def no_steps(phase: str, done: int, total: int) -> None:
    """Report nothing."""


EXCERPT = 400
"""Characters of an input's text that a pack stores, if it stores texts."""

CHECKED_TEXTS = 8
EMBEDDING_TOLERANCE = 0.99
"""Minimum cosine between a given vector and the same text embedded again; half precision costs less than 1e-3."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Origin of a pack. The caller supplies it, since this library has no clock.

    Attributes:
        made_by: person or program.
        made_at: time, ISO 8601.
        software: name and version of the software.
    """

    made_by: str = ""
    made_at: str = ""
    software: str = ""


def checked_rows(n_inputs: int) -> Ints:
    """Return the rows whose given vectors are checked, spread over the file to find rows that are shifted."""
    return np.linspace(0, n_inputs - 1, min(CHECKED_TEXTS, n_inputs)).astype(int)


def check_embeddings(given: GivenEmbeddings, benchmark: Benchmark, embedder: Embedder) -> None:
    """Embed a few of the texts again. Raises BenchmarkError if the given vectors are not that embedder's.

    Half-precision vectors pass; another model's, or rows in another order, do not.
    """
    if canonical_name(given.embedder) != embedder.name:
        raise BenchmarkError(
            benchmark.name, [f"embeddings were made by {given.embedder}, the embedder is {embedder.name}"]
        )
    rows = checked_rows(benchmark.n_inputs)
    again = embedder.embed_texts([benchmark.texts[row] for row in rows])
    if again.shape[1] != given.vectors.shape[1]:
        raise BenchmarkError(
            benchmark.name,
            [f"embeddings have {given.vectors.shape[1]} dimensions, {embedder.name} has {again.shape[1]}"],
        )
    cosines = (again * given.vectors[rows]).sum(axis=1)
    faults = [
        f"embeddings.f16.npy row {row + 1}: cosine {cosine:.3f} to the embedding of that text by {embedder.name}"
        for row, cosine in zip(rows, cosines, strict=True)
        if cosine < EMBEDDING_TOLERANCE
    ]
    if faults:
        raise BenchmarkError(benchmark.name, faults)


@dataclass(frozen=True, slots=True)
class SortedInputs:
    """A benchmark to build a pack of, its inputs in the order in which the pack's searches read them.

    Attributes:
        vectors: (n_inputs, dim), rows as in the benchmark.
        lists: of the vectors; None where a pack of this size has none.
    """

    benchmark: Benchmark
    vectors: Embeddings
    lists: InvertedLists | None


def sort_inputs(
    benchmark: Benchmark, vectors: Embeddings, steps: BuildSteps = no_steps, threads: int = 1
) -> SortedInputs:
    """Sort a large benchmark's inputs by inverted list; leave a small one as it is.

    vectors: (n_inputs, dim), unit length, rows as in the benchmark. threads: see routing.parallel.
    """
    if len(vectors) <= MAX_GRAPH:
        return SortedInputs(benchmark, vectors, None)
    steps("sorting", 0, 1)
    # As the pack will store them: rounding can move a vector into another list.
    lists = InvertedLists.divide(round_vectors(vectors), threads=threads)
    order = lists.members.astype(np.int64)
    steps("sorting", 1, 1)
    return SortedInputs(benchmark.select_inputs(order), vectors[order], lists.sort_rows())


def build_pack(
    benchmark: Benchmark,
    vectors: Embeddings,
    embedder: EmbedderId,
    routing: RoutingSettings | None = None,
    calibration: CalibrationSettings | None = None,
    provenance: Provenance | None = None,
    steps: BuildSteps = no_steps,
    with_texts: bool = False,
    lists: InvertedLists | None = None,
    threads: int = 1,
) -> Pack:
    """Build a pack in memory.

    vectors: (n_inputs, dim), unit length, rows as in the benchmark. with_texts: store the beginning of every text,
    for display. lists: those of `sort_inputs`. threads: of searches (routing.parallel). The same arguments give the
    same pack, whatever the number of threads.
    """
    routing, settings = routing or RoutingSettings(), calibration or CalibrationSettings()
    provenance = provenance or Provenance()
    vectors = round_vectors(vectors)
    steps("indexing", 0, 1)
    # The index serves live tasks. Calibration below searches exactly: its pairs must not depend on missed neighbours.
    # In a large pack that would take hours: it searches as tasks do, for a sample of the inputs. On 33,588 inputs in 59
    # datasets the distances u of eq. 9 differ by 0.0006 from exact ones, at most by 0.0035, and sigma is 0.09.
    index, measured = build_index(vectors, benchmark.dataset_ids, lists, threads)
    steps("indexing", 1, 1)
    count, found = max(routing.kappa, REPORT_NEIGHBOURS), []
    ids, n = benchmark.dataset_ids, len(benchmark.datasets)
    searched = search_lists(index, ids, threads)
    sample = None if searched is None else sample_inputs(ids, n)
    for one in hold_out_datasets(vectors, ids, n, count, lists=searched, sample=sample, threads=threads):
        found.append(one)
        steps("finding neighbours", len(found), n)
    held_out = [one.limit_neighbours(routing.kappa) for one in found]
    pairs = calibrate_reliability(
        vectors, benchmark, held_out, routing, settings, lambda done, all_: steps("calibrating", done, all_)
    )
    steps("evaluating", 0, 1)
    training_data = build_training_data(benchmark.outcomes, vectors, benchmark.dataset_ids, held_out, routing.kappa)
    report = build_report(benchmark, (vectors, vectors), found, routing, settings, training_data, searched)
    if measured:
        report = {**report, "index": measured}
    steps("evaluating", 1, 1)
    estimates = benchmark.estimate_averages()
    manifest = Manifest(
        name=benchmark.name,
        n_inputs=benchmark.n_inputs,
        embedder=embedder,
        datasets=_datasets(benchmark),
        models=_models(benchmark, estimates),
        on_average=tuple(benchmark.model_names[column] for column in estimates.order()),
        routing=asdict(routing),
        calibration={
            **asdict(settings),
            "alphas": list(settings.alphas),
            "pairs": len(pairs.distances),
            **({} if sample is None else {"sample": sum(map(len, sample))}),
        },
        files={},
        min_coverage=None if (estimates.coverage >= 1).all() else benchmark.min_coverage,
        **asdict(provenance),
    )
    texts = tuple(text[:EXCERPT] for text in benchmark.texts) if with_texts else None
    shown = fit_projection(vectors, benchmark.dataset_ids)
    return Pack(
        manifest,
        vectors,
        benchmark.outcomes,
        benchmark.dataset_ids,
        index,
        pairs,
        report,
        shown,
        texts,
        training_data=training_data,
        input_index=InputIndex.from_texts(benchmark.input_ids, benchmark.texts) if benchmark.texts else None,
    )


def measure_gain(
    benchmark: Benchmark,
    vectors: Embeddings,
    queries: Embeddings | None,
    routing: RoutingSettings,
    settings: CalibrationSettings,
    steps: BuildSteps = no_steps,
) -> Mapping[str, Any]:
    """Return the report of a pack of these vectors (routing.report) without building it.

    vectors: (n_inputs, dim). queries: (n_inputs, dim), the tasks' inputs embedded by another embedder of the same
    space; None for the same.
    """
    queries = vectors if queries is None else queries
    ids, count, steps_in_all = benchmark.dataset_ids, len(benchmark.datasets), 2
    steps("comparing", 0, steps_in_all)
    lists, neighbours = divide_large(vectors, ids), max(routing.kappa, REPORT_NEIGHBOURS)
    sample = None if lists is None else sample_inputs(ids, count)
    found = list(hold_out_datasets(vectors, ids, count, neighbours, queries, lists, sample))
    steps("comparing", 1, steps_in_all)
    data = build_training_data(benchmark.outcomes, vectors, benchmark.dataset_ids, found, routing.kappa)
    return build_report(benchmark, (vectors, queries), found, routing, settings, data, lists)


def _datasets(benchmark: Benchmark) -> tuple[PackDataset, ...]:
    counts = np.bincount(benchmark.dataset_ids, minlength=len(benchmark.datasets))
    return tuple(
        PackDataset(dataset.name, int(count), dataset.threshold, dataset.source, dataset.licence)
        for dataset, count in zip(benchmark.datasets, counts, strict=True)
    )


def _models(benchmark: Benchmark, estimates: AverageEstimates) -> tuple[PackModel, ...]:
    return tuple(
        PackModel(
            model.name,
            None if np.isnan(average) else average,
            coverage < 1,
            model.params_b,
            model.input_usd_per_mtok,
            model.output_usd_per_mtok,
            None if coverage >= 1 else coverage,
            None if coverage >= 1 or np.isnan(error) else error,
        )
        for model, average, coverage, error in zip(
            benchmark.models,
            estimates.average.tolist(),
            estimates.coverage.tolist(),
            estimates.standard_error.tolist(),
            strict=True,
        )
    )
