"""The embedder of a pack that is being built: what it makes of the benchmark, and what of it goes into the pack."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.load_embedder import embed_texts, embed_through_cache, embedder_identity, load_embedder
from gateway.cli.terminal import print_note, show_progress, stderr_console
from routing.errors import EmbedderError
from routing.manifest import EmbedderId

if TYPE_CHECKING:
    from routing.arrays import Embeddings
    from routing.benchmark import Benchmark
    from routing.embedder import SentenceTransformerEmbedder
    from routing.embedders.bundled import BundledEmbedder
    from routing.tidy import GivenEmbeddings


@dataclass(frozen=True, slots=True)
class EmbeddedTexts:
    """A benchmark's embeddings, (n_inputs, dim), and whose they are.

    source: the sentence-transformers model behind them, None where it is not to be had. static: the model that was
    distilled from it, where that made them.
    """

    vectors: "Embeddings"
    embedder_id: EmbedderId
    source: "SentenceTransformerEmbedder | None"
    static: "BundledEmbedder | None" = None


def compute_embeddings(folder: Path, benchmark: "Benchmark", named: str | None, cache: Path) -> EmbeddedTexts:
    """The benchmark's embeddings. named: the embedder asked for. Raises EmbedderError, BenchmarkError, CacheError."""
    from routing.embedder import DEFAULT_EMBEDDER, STATIC, canonical_name
    from routing.tidy import read_embeddings

    given = read_embeddings(folder, benchmark.n_inputs)
    if given is not None and named in (None, given.embedder, canonical_name(given.embedder)):
        return _given(given, benchmark)
    if given is not None:
        print_note(f"embeddings.f16.npy is of {given.embedder}: left aside for {named}")
    name = canonical_name(named or DEFAULT_EMBEDDER)
    if name.startswith(STATIC):
        return static_embeddings(name, benchmark)
    embedder = load_embedder(name)
    return EmbeddedTexts(embed_through_cache(embedder, benchmark.texts, cache), embedder_identity(embedder), embedder)


def static_embeddings(
    name: str, benchmark: "Benchmark", source: "SentenceTransformerEmbedder | None" = None
) -> EmbeddedTexts:
    """The embeddings of a static model, which is distilled first. Raises EmbedderError."""
    from routing.embedder import static_parts
    from routing.embedders.distil import distil_embedder

    base, width = static_parts(name)
    source = source or load_embedder(base)
    with show_progress(stderr_console()) as steps:
        made = distil_embedder(source, width, steps)
    embedder = made.open_embedder()
    return EmbeddedTexts(embed_texts(embedder, benchmark.texts), embedder_identity(embedder), source, made)


def bundle_embedder(embedded: EmbeddedTexts, benchmark: "Benchmark") -> "BundledEmbedder | None":
    """The embedder as files; None, with a note that says why, where it cannot be carried."""
    if embedded.static or embedded.source is None:
        return embedded.static
    try:
        from routing.embedders.export import bundle_transformer

        with show_progress(stderr_console()) as steps:
            made = bundle_transformer(embedded.source, benchmark.texts, embedded.vectors, steps)
    except (EmbedderError, ImportError) as error:
        print_note(f"warning: the pack carries no embedder, its scorers need sentence-transformers: {error}")
        return None
    kept = "" if made.about.kept is None else f", which keeps {made.about.kept:.1%} of the 19 nearest inputs"
    print_note(f"the pack carries its embedder, {made.about.precision}{kept}")
    return made


def _given(given: "GivenEmbeddings", benchmark: "Benchmark") -> EmbeddedTexts:
    """Raises BenchmarkError if the embedder is to be had and says otherwise."""
    from routing.build import check_embeddings
    from routing.embedder import canonical_name

    try:
        embedder = load_embedder(given.embedder)
    except EmbedderError as error:
        print_note(f"warning: embeddings.f16.npy is taken unchecked: {error}")
        unknown = EmbedderId(canonical_name(given.embedder), "", given.vectors.shape[1])
        return EmbeddedTexts(given.vectors, unknown, None)
    check_embeddings(given, benchmark, embedder)
    print_note(f"embeddings.f16.npy is of {embedder.name}, as a sample of the texts shows: nothing has to be embedded")
    return EmbeddedTexts(given.vectors, embedder_identity(embedder), embedder)
