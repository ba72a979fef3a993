"""Embeddings of a benchmark, the embedder that a pack bundles, and the comparison of embedders."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from gateway.cli.load_embedder import embed_texts, embed_through_cache, embedder_identity, load_embedder
from gateway.cli.terminal import print_note, show_progress, stderr_console
from routing.errors import EmbedderError
from routing.manifest import EmbedderId

if TYPE_CHECKING:
    from routing.arrays import Embeddings
    from routing.benchmark import Benchmark
    from routing.calibration import RoutingSettings
    from routing.curation.select import SelectedBenchmark
    from routing.embedder import Embedder, SentenceTransformerEmbedder
    from routing.embedders.bundled import BundledEmbedder
    from routing.pack import Pack
    from routing.tidy import GivenEmbeddings


@dataclass(frozen=True, slots=True)
class EmbeddedTexts:
    """Embeddings of a benchmark, and their embedder.

    Attributes:
        vectors: (n_inputs, dim).
        source: the sentence-transformers model; None if it is not available.
        static: the static model distilled from it, if that computed the vectors.
    """

    vectors: "Embeddings"
    embedder_id: EmbedderId
    source: "SentenceTransformerEmbedder | None"
    static: "BundledEmbedder | None" = None


def compute_embeddings(folder: Path, benchmark: "Benchmark", named: str | None, cache: Path) -> EmbeddedTexts:
    """Compute or read a benchmark's embeddings. named: the requested embedder.

    Raises EmbedderError, BenchmarkError, CacheError.
    """
    from routing.embedder import DEFAULT_EMBEDDER, STATIC, canonical_name
    from routing.tidy import read_embeddings

    given = read_embeddings(folder, benchmark.n_inputs)
    if given is not None and named in (None, given.embedder, canonical_name(given.embedder)):
        return _given(given, benchmark)
    if given is not None:
        print_note(f"ignoring embeddings.f16.npy: it was computed with {given.embedder}, not {named}")
    name = canonical_name(named or DEFAULT_EMBEDDER)
    if name.startswith(STATIC):
        return static_embeddings(name, benchmark)
    embedder = load_embedder(name)
    return EmbeddedTexts(embed_through_cache(embedder, benchmark.texts, cache), embedder_identity(embedder), embedder)


def embed_selected(
    folder: Path, whole: "Benchmark", selected: "SelectedBenchmark", named: str | None, cache: Path
) -> EmbeddedTexts:
    """Compute or read the embeddings of the selected inputs. Raises as compute_embeddings does."""
    if not (folder / "embeddings.f16.npy").exists():
        # Only what is selected is embedded: a sample of a large benchmark must not cost as much as all of it.
        return compute_embeddings(folder, selected.benchmark, named, cache)
    embedded = compute_embeddings(folder, whole, named, cache)
    if len(selected.rows) == whole.n_inputs:
        return embedded
    return replace(embedded, vectors=embedded.vectors[selected.rows])


def static_embeddings(
    name: str, benchmark: "Benchmark", source: "SentenceTransformerEmbedder | None" = None
) -> EmbeddedTexts:
    """Distil a static model, and compute embeddings with it. Raises EmbedderError."""
    from routing.embedder import static_parts
    from routing.embedders.distil import distil_embedder

    base, width = static_parts(name)
    source = source or load_embedder(base)
    with show_progress(stderr_console()) as steps:
        made = distil_embedder(source, width, steps)
    embedder = made.open_embedder()
    return EmbeddedTexts(embed_texts(embedder, benchmark.texts), embedder_identity(embedder), source, made)


def bundle_embedder(
    embedded: EmbeddedTexts, benchmark: "Benchmark", pack: "Pack | None" = None
) -> "BundledEmbedder | None":
    """Return the embedder as files for the pack; None, with a note of the reason, if it cannot be bundled.

    pack: built of these embeddings, to compare decisions in; None to compare neighbours only.
    """
    if embedded.static or embedded.source is None:
        return embedded.static
    try:
        from routing.agreement import DecisionSample
        from routing.embedders.bundled import agreement_sentence
        from routing.embedders.export import bundle_transformer

        decisions = None if pack is None else DecisionSample(pack, _routing_settings(pack))
        with show_progress(stderr_console()) as steps:
            made = bundle_transformer(embedded.source, benchmark.texts, embedded.vectors, steps, decisions=decisions)
    except (EmbedderError, ImportError) as error:
        print_note(f"warning: embedder not bundled, scorers need sentence-transformers: {error}")
        return None
    agreement = agreement_sentence(made.about) or "no smaller form kept the decisions"
    print_note(f"embedder bundled, {made.about.precision}, {decimal(made.size_bytes)}: {agreement}")
    return made


def _given(given: "GivenEmbeddings", benchmark: "Benchmark") -> EmbeddedTexts:
    """Check given embeddings on a sample of the texts, if their embedder is available. Raises BenchmarkError."""
    from routing.build import check_embeddings
    from routing.embedder import canonical_name

    try:
        embedder = load_embedder(given.embedder)
    except EmbedderError as error:
        print_note(f"warning: using embeddings.f16.npy without a check: {error}")
        unknown = EmbedderId(canonical_name(given.embedder), "", given.vectors.shape[1])
        return EmbeddedTexts(given.vectors, unknown, None)
    check_embeddings(given, benchmark, embedder)
    print_note(f"using embeddings.f16.npy: it matches {embedder.name} on a sample of the texts")
    return EmbeddedTexts(given.vectors, embedder_identity(embedder), embedder)


TIMED = 48


def compare_candidates(
    pack: "Pack", benchmark: "Benchmark", embedded: EmbeddedTexts, carried: "BundledEmbedder | None", cache: Path
) -> "Pack":
    """Return the pack with `embedders` in its report: the transformer, its bundled form, and the static model."""
    rows = list(_rows(pack, benchmark, embedded, carried, cache))
    return replace(pack, report={**pack.report, "embedders": rows})


def _rows(
    pack: "Pack", benchmark: "Benchmark", embedded: EmbeddedTexts, carried: "BundledEmbedder | None", cache: Path
) -> Iterator[Mapping[str, Any]]:
    """Rows by embedder; only the pack's own if the transformer is not available."""
    from routing.embedder import STATIC

    source = embedded.source
    if source is None:
        yield _row(pack.manifest.embedder.name, "given", None, None, pack.report)
        return
    whole = embedded if embedded.static is None else _transformer(source, benchmark, cache)
    yield _row(source.name, "fp32, torch", source, benchmark, _report(pack, benchmark, whole.vectors))
    made = carried if embedded.static is None else bundle_embedder(whole, benchmark)
    if made is not None:
        again = embed_through_cache(_BundledForCache(made), benchmark.texts, cache)
        report = _report(pack, benchmark, whole.vectors, again)
        yield _row(
            source.name,
            f"{made.about.precision}, onnxruntime",
            made.open_embedder(),
            benchmark,
            report,
            made.about.kept,
        )
    static = embedded if embedded.static else static_embeddings(f"{STATIC}{source.name}", benchmark, source)
    if static.static:
        report = _report(pack, benchmark, static.vectors)
        yield _row(static.embedder_id.name, "static", static.static.open_embedder(), benchmark, report)


class _BundledForCache:
    """A bundled embedder under a revision of its own, so that the cache separates its vectors from its source's."""

    def __init__(self, made: "BundledEmbedder") -> None:
        embedder = made.open_embedder()
        self.name, self.dim, self.embed_texts = embedder.name, embedder.dim, embedder.embed_texts
        self.revision = f"{embedder.revision}/{made.about.precision}/{made.fingerprint()}"


def _transformer(source: "SentenceTransformerEmbedder", benchmark: "Benchmark", cache: Path) -> EmbeddedTexts:
    return EmbeddedTexts(embed_through_cache(source, benchmark.texts, cache), embedder_identity(source), source)


def _report(
    pack: "Pack", benchmark: "Benchmark", vectors: "Embeddings", queries: "Embeddings | None" = None
) -> Mapping[str, Any]:
    """Short leave-one-dataset-out report. queries: the inputs as a scorer embeds them, by default the vectors."""
    from routing.build import measure_gain
    from routing.calibration import CalibrationSettings

    routing = _routing_settings(pack)
    settings = CalibrationSettings(seed=pack.manifest.calibration["seed"])
    with show_progress(stderr_console()) as steps:
        return measure_gain(benchmark, vectors, queries, routing, settings, steps)


def _routing_settings(pack: "Pack") -> "RoutingSettings":
    from routing.calibration import RoutingSettings

    return RoutingSettings(**pack.manifest.routing)  # type: ignore[arg-type]  # k and kappa are whole there too


def _row(
    name: str,
    how: str,
    embedder: "Embedder | None",
    benchmark: "Benchmark | None",
    report: Mapping[str, Any],
    kept: float | None = None,
) -> Mapping[str, Any]:
    return {
        "embedder": name,
        "runs_as": how,
        "inputs_per_s": _speed(embedder, benchmark.texts) if embedder and benchmark else None,
        "neighbours_kept": kept,
        "accuracy": report["accuracy"],
    }


def _speed(embedder: "Embedder", texts: Sequence[str]) -> float:
    """Inputs per second on a sample of the benchmark's, on this machine under its present load."""
    from routing.embedders.export import sample_places

    some = [texts[row] for row in sample_places(len(texts), TIMED)]
    embedder.embed_texts(some[:4])
    started = time.perf_counter()
    embedder.embed_texts(some)
    return round(len(some) / (time.perf_counter() - started), 1)
