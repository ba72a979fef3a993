"""Packs on disk: the same in a folder and a tar, and refused when anything in them is not what it was."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routing.arrays import Embeddings
from routing.benchmark import Benchmark
from routing.build import EXCERPT, Provenance, build_pack
from routing.errors import PackCorrupted, PackError, PackMismatch
from routing.manifest import SCHEMA, EmbedderId, read_manifest
from routing.pack import FILES, OPTIONAL, Pack, open_pack, save_pack
from routing.router import Router
from routing.task import TaskState
from tests.routing.conftest import DIM

EMBEDDER = EmbedderId("tests/axes", "1", DIM)


@pytest.fixture(scope="module")
def pack(benchmark_: Benchmark, vectors: Embeddings) -> Pack:
    return build_pack(benchmark_, vectors, EMBEDDER, provenance=Provenance("me", "2026-01-01T00:00:00Z", "x 1"))


@pytest.fixture
def saved(pack: Pack, tmp_path: Path) -> Path:
    save_pack(pack, tmp_path / "pack")
    return tmp_path / "pack"


def scores(pack: Pack, vectors: Embeddings) -> Any:
    router = Router(pack)
    return router.score_task(TaskState.from_evidence(router.find_evidence(vectors)), router.select_candidates())


@pytest.mark.parametrize("name", ["again", "again.tar"])
def test_a_saved_pack_decides_as_it_did(pack: Pack, vectors: Embeddings, tmp_path: Path, name: str) -> None:
    manifest = save_pack(pack, tmp_path / name)
    again = open_pack(tmp_path / name, EMBEDDER)
    assert again.manifest == manifest == read_manifest(tmp_path / name)
    np.testing.assert_array_equal(scores(again, vectors[:9]).s3, scores(pack, vectors[:9]).s3)
    assert again.report == pack.report
    assert manifest.made_by == "me"


def test_the_hash_is_of_the_content_and_not_of_who_made_it_when(
    pack: Pack, benchmark_: Benchmark, vectors: Embeddings, tmp_path: Path
) -> None:
    first = save_pack(pack, tmp_path / "first")
    other = build_pack(benchmark_, vectors, EMBEDDER, provenance=Provenance("you", "later", "x 2"))
    assert save_pack(other, tmp_path / "second.tar").hash == first.hash
    renamed = build_pack(replace(benchmark_, name="renamed"), vectors, EMBEDDER)
    assert save_pack(renamed, tmp_path / "third").hash != first.hash


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (EmbedderId("tests/other", "1", DIM), "tests/other"),
        (EmbedderId("tests/axes", "2", DIM), "revision 2"),
        (EmbedderId("tests/axes", "1", DIM + 1), f"{DIM + 1} dimensions"),
    ],
)
def test_another_embedder_is_refused_with_both_sides(saved: Path, other: EmbedderId, told: str) -> None:
    with pytest.raises(PackMismatch) as caught:
        open_pack(saved, other)
    assert str(EMBEDDER) in str(caught.value)
    assert told in str(caught.value)


def test_a_revision_that_was_not_recorded_is_no_difference(saved: Path) -> None:
    assert open_pack(saved, EmbedderId("tests/axes", "", DIM)).manifest.n_inputs == 160


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_missing_cut_or_altered_is_named(saved: Path, file: str) -> None:
    whole = (saved / file).read_bytes()
    middle = len(whole) // 2
    altered = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for data in (altered, whole[:-1], b""):
        (saved / file).write_bytes(data)
        with pytest.raises(PackCorrupted, match=file):
            open_pack(saved)
    (saved / file).unlink()
    with pytest.raises(PackCorrupted, match=f"{file} is missing"):
        open_pack(saved)


@pytest.mark.parametrize("name", ["texts", "texts.tar"])
def test_texts_go_with_a_pack_only_where_they_are_asked_for(
    benchmark_: Benchmark, vectors: Embeddings, pack: Pack, tmp_path: Path, name: str
) -> None:
    made = build_pack(benchmark_, vectors, EMBEDDER, with_texts=True)
    save_pack(made, tmp_path / name)
    again = open_pack(tmp_path / name)
    assert again.texts == tuple(text[:EXCERPT] for text in benchmark_.texts)
    assert again.projection is not None
    assert pack.projection is not None
    np.testing.assert_array_equal(again.projection.points, pack.projection.points)
    assert pack.texts is None


@pytest.mark.parametrize("file", OPTIONAL)
def test_what_a_pack_need_not_hold_is_checked_where_it_is_named(
    benchmark_: Benchmark, vectors: Embeddings, tmp_path: Path, file: str
) -> None:
    save_pack(build_pack(benchmark_, vectors, EMBEDDER, with_texts=True), tmp_path / "pack")
    (tmp_path / "pack" / file).write_bytes(b"")
    with pytest.raises(PackCorrupted, match=file):
        open_pack(tmp_path / "pack")


def test_a_pack_without_them_is_a_pack(pack: Pack, tmp_path: Path) -> None:
    save_pack(replace(pack, projection=None, training_data=None, input_index=None), tmp_path / "plain")
    again = open_pack(tmp_path / "plain")
    assert (again.projection, again.texts, set(again.manifest.files)) == (None, None, set(FILES))


def rewritten(saved: Path, **members: Any) -> None:
    """The manifest with other members and a hash that fits them."""
    raw = json.loads((saved / "manifest.json").read_text()) | members
    (saved / "manifest.json").write_text(json.dumps(raw))


def test_an_altered_manifest_is_refused(saved: Path) -> None:
    rewritten(saved, n_inputs=161)
    with pytest.raises(PackCorrupted, match=r"manifest\.json was altered"):
        read_manifest(saved)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text("{}"),
        lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {"more": 1})),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused(saved: Path, spoil: Callable[[Path], object]) -> None:
    spoil(saved / "manifest.json")
    with pytest.raises(PackCorrupted, match=r"manifest\.json cannot be read"):
        read_manifest(saved)


def test_another_schema_is_refused_with_both_sides(saved: Path) -> None:
    rewritten(saved, schema=SCHEMA + 1)
    with pytest.raises(PackMismatch, match=f"has schema {SCHEMA + 1}, this version reads schema {SCHEMA}"):
        read_manifest(saved)


def test_arrays_that_do_not_fit_the_manifest_are_refused_though_every_hash_fits(pack: Pack, tmp_path: Path) -> None:
    projected = pack.projection
    assert projected is not None
    for changed, told in (
        (replace(pack, outcomes=pack.outcomes[:, :3]), "outcomes.npy"),
        (replace(pack, embeddings=pack.embeddings[1:]), "embeddings.npy"),
        (replace(pack, dataset_ids=pack.dataset_ids[1:]), "dataset_ids.npy"),
        (replace(pack, projection=replace(projected, axes=projected.axes[:, 1:])), "map.npz"),
        (replace(pack, texts=("one",)), "texts.json"),
    ):
        save_pack(changed, tmp_path / told)
        with pytest.raises(PackMismatch, match=told):
            open_pack(tmp_path / told)


def test_what_is_no_pack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.tar").write_bytes(b"no tar")
    (tmp_path / "empty").mkdir()
    for path in ("nowhere", "file.tar", "empty"):
        with pytest.raises(PackError, match=path):
            open_pack(tmp_path / path)


def test_saving_over_something_else_leaves_it_alone(pack: Pack, saved: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(PackError, match="precious exists and is not a pack"):
        save_pack(pack, precious)
    assert (precious / "thesis.txt").read_text() == "years of work"
    save_pack(pack, saved)
    assert open_pack(saved).manifest.name == "small"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pack", "precious"]


def test_a_tar_may_not_write_elsewhere(saved: Path, tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.add(saved / "manifest.json", arcname="manifest.json")
        tar.add(saved / "manifest.json", arcname="../escaped.json")
    with pytest.raises(PackCorrupted, match="unpacked"):
        open_pack(tmp_path / "evil.tar")
    assert not (tmp_path.parent / "escaped.json").exists()
    shutil.rmtree(saved)


def test_a_scorer_leaves_out_the_names_of_inputs(pack: Pack, tmp_path: Path) -> None:
    save_pack(pack, tmp_path / "pack")
    whole, lean = open_pack(tmp_path / "pack"), open_pack(tmp_path / "pack", with_input_index=False)
    assert whole.input_index is not None
    assert lean.input_index is None
    assert (lean.manifest, lean.report) == (whole.manifest, whole.report)
    (tmp_path / "pack" / "inputs.json").write_text("[]")
    with pytest.raises(PackCorrupted, match=r"inputs\.json has hash"):
        open_pack(tmp_path / "pack", with_input_index=False)
