"""`pack build --compare-embedders`: what the benchmark would be worth with other embedders, and how fast they are."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli.load_embedder import embed_through_cache, embedder_identity
from gateway.cli.pack.embedding import EmbeddedTexts, bundle_embedder, static_embeddings
from gateway.cli.terminal import show_progress, stderr_console

if TYPE_CHECKING:
    from routing.arrays import Embeddings
    from routing.benchmark import Benchmark
    from routing.embedder import Embedder, SentenceTransformerEmbedder
    from routing.embedders.bundled import BundledEmbedder
    from routing.pack import Pack

TIMED = 48


def compare_candidates(
    pack: "Pack", benchmark: "Benchmark", embedded: EmbeddedTexts, carried: "BundledEmbedder | None", cache: Path
) -> "Pack":
    """The pack with `embedders` in its report: the transformer, as the pack carries it, and the static model."""
    rows = list(_rows(pack, benchmark, embedded, carried, cache))
    return replace(pack, report={**pack.report, "embedders": rows})


def _rows(
    pack: "Pack", benchmark: "Benchmark", embedded: EmbeddedTexts, carried: "BundledEmbedder | None", cache: Path
) -> Iterator[Mapping[str, Any]]:
    """One row an embedder; without a transformer at hand only the pack's own."""
    from routing.embedder import STATIC

    source = embedded.source
    if source is None:
        yield _row(pack.manifest.embedder.name, "given", None, None, pack.report)
        return
    whole = embedded if embedded.static is None else _transformer(source, benchmark, cache)
    yield _row(source.name, "fp32, torch", source, benchmark, _report(pack, benchmark, whole.vectors))
    made = carried if embedded.static is None else bundle_embedder(whole, benchmark)
    if made is not None:
        again = embed_through_cache(_Apart(made), benchmark.texts, cache)
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


class _Apart:
    """An exported embedder under another revision: the cache must not take its vectors for its source's."""

    def __init__(self, made: "BundledEmbedder") -> None:
        embedder = made.open_embedder()
        self.name, self.dim, self.embed_texts = embedder.name, embedder.dim, embedder.embed_texts
        self.revision = f"{embedder.revision}/{made.about.precision}/{made.fingerprint()}"


def _transformer(source: "SentenceTransformerEmbedder", benchmark: "Benchmark", cache: Path) -> EmbeddedTexts:
    return EmbeddedTexts(embed_through_cache(source, benchmark.texts, cache), embedder_identity(source), source)


def _report(
    pack: "Pack", benchmark: "Benchmark", vectors: "Embeddings", queries: "Embeddings | None" = None
) -> Mapping[str, Any]:
    """Leave-one-dataset-out in the short form. queries: the inputs as a scorer has them, the vectors by default."""
    from routing.build import measure_gain
    from routing.calibration import CalibrationSettings, RoutingSettings

    routing = RoutingSettings(**pack.manifest.routing)  # type: ignore[arg-type]  # k and kappa are whole there too
    settings = CalibrationSettings(seed=pack.manifest.calibration["seed"])
    with show_progress(stderr_console()) as steps:
        return measure_gain(benchmark, vectors, queries, routing, settings, steps)


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
    """Inputs a second over a sample of the benchmark's, on this machine as busy as it is."""
    from routing.embedders.export import sample_places

    some = [texts[row] for row in sample_places(len(texts), TIMED)]
    embedder.embed_texts(some[:4])
    started = time.perf_counter()
    embedder.embed_texts(some)
    return round(len(some) / (time.perf_counter() - started), 1)
