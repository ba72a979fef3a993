"""The embedder in a pack: found by its manifest, refused when it is not what it was, without PyTorch when it is."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from routing.embedder import SentenceTransformerEmbedder
from routing.embedders.bundled import (
    ABOUT,
    MODEL,
    PROBES,
    TOKENIZER,
    VECTORS,
    BundledEmbedder,
    load_bundled_embedder,
    open_bundle,
    read_bundle_files,
)
from routing.embedders.distil import distil_embedder
from routing.embedders.export import bundle_transformer
from routing.embedders.onnx import OnnxEmbedder
from routing.errors import EmbedderError, PackCorrupted
from routing.manifest import EmbedderId, read_manifest
from routing.pack import Pack, open_pack, save_pack
from tests.gateway.packs import small_pack
from tests.routing.embedders.conftest import TEXTS


@pytest.fixture(scope="module")
def carried(tiny: SentenceTransformerEmbedder) -> BundledEmbedder:
    # In bytes on every processor: without VNNI their kernels saturate, and another form would keep more neighbours.
    return bundle_transformer(tiny, TEXTS, tiny.embed_texts(TEXTS), least_kept=0.0)


@pytest.fixture(scope="module")
def pack(tiny: SentenceTransformerEmbedder, carried: BundledEmbedder) -> Pack:
    return replace(small_pack(tiny), bundled_embedder=carried.files)


@pytest.mark.parametrize("name", ["pack", "pack.tar"])
def test_a_pack_gives_its_embedder_back_and_accepts_it(
    pack: Pack, carried: BundledEmbedder, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    manifest = save_pack(pack, path)
    assert set(carried.files) <= set(manifest.files)
    embedder = load_bundled_embedder(path, read_manifest(path))
    assert isinstance(embedder, OnnxEmbedder)
    open_pack(path, EmbedderId(embedder.name, embedder.revision, embedder.dim))
    np.testing.assert_array_equal(embedder.embed_texts(TEXTS), carried.open_embedder().embed_texts(TEXTS))


def test_a_pack_without_one_takes_sentence_transformers(
    pack: Pack, tiny: SentenceTransformerEmbedder, tmp_path: Path
) -> None:
    save_pack(replace(pack, bundled_embedder={}), tmp_path / "pack")
    embedder = load_bundled_embedder(tmp_path / "pack", read_manifest(tmp_path / "pack"))
    assert isinstance(embedder, SentenceTransformerEmbedder)
    assert embedder.revision == tiny.revision


def test_one_that_cannot_be_used_gives_way_to_sentence_transformers(
    pack: Pack, carried: BundledEmbedder, tmp_path: Path
) -> None:
    broken = {**carried.files, MODEL: b"no graph"}
    save_pack(replace(pack, bundled_embedder=broken), tmp_path / "pack")
    assert isinstance(
        load_bundled_embedder(tmp_path / "pack", read_manifest(tmp_path / "pack")), SentenceTransformerEmbedder
    )
    elsewhere = replace(pack.manifest, embedder=EmbedderId("/nonexistent/model", "", 32))
    save_pack(replace(pack, manifest=elsewhere, bundled_embedder=broken), tmp_path / "other")
    with pytest.raises(EmbedderError, match=r"own embedder cannot be opened.*cannot be loaded"):
        load_bundled_embedder(tmp_path / "other", read_manifest(tmp_path / "other"))


@pytest.mark.parametrize("file", [ABOUT, MODEL, TOKENIZER])
def test_a_file_that_is_altered_or_missing_is_named(pack: Pack, tmp_path: Path, file: str) -> None:
    save_pack(pack, tmp_path / "pack")
    manifest = read_manifest(tmp_path / "pack")
    (tmp_path / "pack" / file).write_bytes(b"other")
    with pytest.raises(PackCorrupted, match=file):
        read_bundle_files(tmp_path / "pack", manifest)
    with pytest.raises(PackCorrupted, match=file):
        open_pack(tmp_path / "pack")
    (tmp_path / "pack" / file).unlink()
    with pytest.raises(PackCorrupted, match=file):
        read_bundle_files(tmp_path / "pack", manifest)
    with pytest.raises(PackCorrupted, match=file):
        open_pack(tmp_path / "pack")


def altered(carried: BundledEmbedder, **members: object) -> dict[str, bytes]:
    about = json.loads(carried.files[ABOUT]) | members
    return {**carried.files, ABOUT: json.dumps(about).encode()}


def test_a_processor_that_computes_otherwise_is_found_out(carried: BundledEmbedder) -> None:
    with pytest.raises(EmbedderError, match="cosine -1"):
        open_bundle(altered(carried, probes=(-carried.open_embedder().embed_texts(PROBES)).tolist()))


def test_files_that_are_no_embedder_are_refused(carried: BundledEmbedder) -> None:
    for files, told in (
        (altered(carried, kind="abacus"), "abacus"),
        (altered(carried, colour="red"), "cannot be read"),
        ({**carried.files, ABOUT: b"{"}, "cannot be read"),
        ({**carried.files, TOKENIZER: b"{"}, "tokenizer"),
        ({name: data for name, data in carried.files.items() if name != MODEL}, f"is missing {MODEL}"),
    ):
        with pytest.raises(EmbedderError, match=told):
            open_bundle(files)


@pytest.mark.parametrize("kind", ["transformer", "static"])
def test_opening_one_needs_no_pytorch(pack: Pack, tiny: SentenceTransformerEmbedder, tmp_path: Path, kind: str) -> None:
    made = pack
    if kind == "static":
        static = distil_embedder(tiny, 12)
        made = replace(small_pack(static.open_embedder()), bundled_embedder=static.files)
        assert VECTORS in static.files
    save_pack(made, tmp_path / "pack")
    code = (
        "import sys; from pathlib import Path; from routing.manifest import read_manifest; "
        "import gateway.scorer.embedded.server; from routing.embedders.bundled import load_bundled_embedder; "
        f"path = Path({str(tmp_path / 'pack')!r}); "
        "load_bundled_embedder(path, read_manifest(path)).embed_texts(['a lamp']); "
        "print(*(name for name in ('torch', 'transformers', 'sentence_transformers', 'onnx', 'pyarrow', 'scipy') "
        "if name in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (found.returncode, found.stdout.split()) == (0, []), found.stderr
