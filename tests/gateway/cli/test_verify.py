"""`pack verify`: OK, or which file is wrong and how."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from routing.manifest import EmbedderId, PackDataset
from routing.neighbours.hnsw import HnswIndex
from routing.neighbours.ivf import InvertedLists, IvfIndex
from routing.pack import FILES, Pack, open_pack, save_pack
from tests.gateway.cli.conftest import run_command

AGAIN = "; copy the pack again, or rebuild it with `benchroute pack build`"


@pytest.fixture(scope="session")
def opened(pack: Path) -> Pack:
    return open_pack(pack)


def test_a_sound_pack_is_ok_down_to_its_embedder(pack: Path, opened: Pack) -> None:
    result = run_command("pack", "verify", pack)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [[n, "OK"] for n in ("files", "values", "index", "embedder")]
    assert "recall 100.0% at 19 neighbours" in lines[2]
    assert lines[-1] == f"{pack} is valid: {opened.manifest.hash}"


def test_the_embedder_check_can_be_left_out(pack: Path) -> None:
    result = run_command("pack", "verify", pack, "--no-embedder-check")
    assert result.exit_code == 0
    assert "embedder" not in result.output


def test_an_embedder_that_is_not_to_be_had_is_a_warning(opened: Pack, tmp_path: Path) -> None:
    result = verify_altered(opened, tmp_path, embedder=EmbedderId("/nonexistent/model", "", 384))
    assert result[0] == 0
    assert "warning: embedder not checked" in result[1]


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_named_with_both_hashes(name: str, pack: Path, opened: Pack, tmp_path: Path) -> None:
    shutil.copytree(pack, tmp_path / "pack")
    with (tmp_path / "pack" / name).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")
    result = run_command("pack", "verify", tmp_path / "pack", "--no-embedder-check")
    assert result.exit_code == 1
    assert f"{name} has hash" in result.stderr
    assert f"the manifest names {opened.manifest.files[name][:12]}" in result.stderr


def test_a_missing_file_is_named(pack: Path, tmp_path: Path) -> None:
    shutil.copytree(pack, tmp_path / "pack")
    (tmp_path / "pack" / "outcomes.npy").unlink()
    result = run_command("pack", "verify", tmp_path / "pack")
    assert (result.exit_code, result.stderr) == (1, f"error: {tmp_path / 'pack'}: outcomes.npy is missing{AGAIN}\n")


def verify_altered(
    opened: Pack, tmp_path: Path, embedder: EmbedderId | None = None, **arrays: object
) -> tuple[int, str]:
    """Verifies the pack with other contents under hashes that fit: exit code and standard error."""
    altered = replace(opened, **arrays)  # type: ignore[arg-type]
    if embedder:
        altered = replace(altered, manifest=replace(opened.manifest, embedder=embedder))
    save_pack(altered, tmp_path / "altered")
    result = run_command("pack", "verify", tmp_path / "altered")
    return result.exit_code, result.stderr


def test_an_index_over_other_vectors_is_refused(opened: Pack, tmp_path: Path) -> None:
    code, stderr = verify_altered(opened, tmp_path, index=HnswIndex.build_index(opened.embeddings[::-1]))
    assert code == 1
    assert "index.hnsw finds" in stderr
    assert "expected 90% or more" in stderr


def test_inverted_lists_are_verified_as_a_graph_is(opened: Pack, tmp_path: Path) -> None:
    lists = InvertedLists.divide(opened.embeddings, 20)
    code, stderr = verify_altered(opened, tmp_path, index=IvfIndex(opened.embeddings, lists, 20))
    assert code == 0
    shuffled = InvertedLists.from_assignment(lists.centres, np.roll(lists.assignment(), 7))
    code, stderr = verify_altered(opened, tmp_path, index=IvfIndex(opened.embeddings, shuffled, 1))
    assert code == 1
    assert "index.ivf finds" in stderr


def test_vectors_that_are_not_of_unit_length_are_refused_with_their_row(opened: Pack, tmp_path: Path) -> None:
    vectors = opened.embeddings.copy()
    vectors[4] *= 2
    code, stderr = verify_altered(opened, tmp_path, embeddings=vectors)
    assert code == 1
    assert "embeddings.npy has a vector that is not of unit length, row 5" in stderr


def test_an_outcome_outside_its_range_is_refused_with_its_row(opened: Pack, tmp_path: Path) -> None:
    outcomes = opened.outcomes.copy()
    outcomes[0] = np.nan
    outcomes[7, 1] = 1.5
    code, stderr = verify_altered(opened, tmp_path, outcomes=outcomes)
    assert code == 1
    assert "outcomes.npy has an outcome outside [0, 1], row 8" in stderr


def test_a_dataset_nobody_named_is_refused_with_its_row(opened: Pack, tmp_path: Path) -> None:
    ids = opened.dataset_ids.copy()
    ids[2] = 4
    code, stderr = verify_altered(opened, tmp_path, dataset_ids=ids)
    assert code == 1
    assert "dataset_ids.npy has a dataset that is not in the manifest, row 3" in stderr


def test_datasets_of_another_size_are_refused_with_both_numbers(opened: Pack, tmp_path: Path) -> None:
    first, *rest = opened.manifest.datasets
    datasets = (PackDataset(first.name, 21), *rest)
    code, stderr = verify_altered(opened, tmp_path, manifest=replace(opened.manifest, datasets=datasets))
    assert code == 1
    assert "dataset_ids.npy has 20 inputs of sums, the manifest has 21" in stderr


def test_another_revision_of_the_embedder_is_refused_with_both(opened: Pack, tmp_path: Path) -> None:
    code, stderr = verify_altered(opened, tmp_path, embedder=replace(opened.manifest.embedder, revision="0ther"))
    assert code == 1
    assert "(revision 0ther, 384 dimensions), installed is " in stderr
    assert opened.manifest.embedder.revision in stderr
