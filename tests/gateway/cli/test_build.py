"""`pack build`: a tidy benchmark in, a pack out; given embeddings are checked, interruptions cost nothing."""

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from gateway.cli.load_embedder import CACHE_FILE, default_cache_path
from gateway.packs import read_embedder_info
from routing import build
from routing.arrays import Embeddings
from routing.calibration import RoutingSettings
from routing.embedder import DEFAULT_EMBEDDER, SentenceTransformerEmbedder
from routing.embedders.bundled import load_bundled_embedder
from routing.embedders.onnx import OnnxEmbedder
from routing.embedders.static import StaticEmbedder
from routing.manifest import EmbedderId, read_manifest
from routing.neighbours import stored
from routing.pack import open_pack
from routing.tidy import read_benchmark
from tests.gateway.cli.conftest import run_command, write_questions
from tests.gateway.waiting import eventually

INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from gateway.cli import main; main()"
)
"""A shell that starts the tests in the background has its children ignore Ctrl-C; this one does not."""


def give_embeddings(folder: Path, vectors: Embeddings, embedder: str) -> None:
    np.save(folder / "embeddings.f16.npy", vectors.astype(np.float16))
    (folder / "embeddings.json").write_text(json.dumps({"embedder": embedder}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A benchmark that may be written to."""
    write_questions(tmp_path / "questions")
    return tmp_path / "questions"


@pytest.fixture(scope="session")
def vectors(questions: Path, embedder: SentenceTransformerEmbedder) -> Embeddings:
    return embedder.embed_texts(read_benchmark(questions).texts)


def test_a_built_pack_holds_the_benchmark_and_who_made_it(
    pack: Path, questions: Path, vectors: Embeddings, embedder: SentenceTransformerEmbedder
) -> None:
    opened, benchmark = open_pack(pack), read_benchmark(questions)
    np.testing.assert_array_equal(opened.outcomes, benchmark.outcomes)
    np.testing.assert_allclose(opened.embeddings, vectors, atol=1e-5)
    assert opened.manifest.embedder == EmbedderId(embedder.name, embedder.revision, embedder.dim)
    assert opened.manifest.software.startswith("benchroute ")
    assert opened.manifest.made_at.endswith("+00:00")


@pytest.mark.slow
def test_a_built_pack_carries_its_embedder(questions: Path, pack: Path, vectors: Embeddings, tmp_path: Path) -> None:
    result = run_command("pack", "build", questions, "-o", tmp_path / "pack", "--cache", pack.parent / "cache")
    assert "embedder bundled, " in result.stderr
    manifest = read_manifest(tmp_path / "pack")
    embedder = load_bundled_embedder(tmp_path / "pack", manifest)
    assert isinstance(embedder, OnnxEmbedder)
    assert (embedder.name, embedder.revision) == (manifest.embedder.name, manifest.embedder.revision)
    again = embedder.embed_texts(read_benchmark(questions).texts[:9])
    assert (again * vectors[: len(again)]).sum(axis=1).min() > 0.99
    assert "; bundled, onnx " in run_command("pack", "inspect", tmp_path / "pack").stdout


@pytest.mark.slow
def test_embedders_are_compared_and_a_static_one_is_carried(questions: Path, pack: Path, tmp_path: Path) -> None:
    """Distilling all of the vocabulary takes half a minute."""
    options = ("--embedder", "static:all-MiniLM-L6-v2:64", "--compare-embedders", "--cache", pack.parent / "cache")
    result = run_command("pack", "build", questions, "-o", tmp_path / "pack", *options)
    assert result.exit_code == 0, result.output
    manifest = read_manifest(tmp_path / "pack")
    assert manifest.embedder.name == "static:sentence-transformers/all-MiniLM-L6-v2:64"
    assert isinstance(load_bundled_embedder(tmp_path / "pack", manifest), StaticEmbedder)
    rows = json.loads(run_command("pack", "inspect", tmp_path / "pack", "--json").stdout)["report"]["embedders"]
    assert [row["runs_as"].split(", ")[-1] for row in rows] == ["torch", "onnxruntime", "static"]
    assert all(row["inputs_per_s"] > 0 and 0 <= row["accuracy"]["s3"] <= 1 for row in rows)
    assert "accuracy and speed with other embedders" in run_command("pack", "inspect", tmp_path / "pack").stdout


def test_building_says_where_the_pack_is_its_hash_size_and_gain(built: tuple[Path, Result]) -> None:
    pack, result = built
    lines = result.stdout.splitlines()
    assert lines[0] == f"pack   {pack}"
    assert lines[1] == f"hash   {read_manifest(pack).hash}"
    assert lines[2].startswith("size   ")
    assert lines[2].endswith(" kB")
    assert lines[3].startswith("gain   Routing ")
    assert (
        "on new tasks: too few datasets to say, measured over 4 held-out datasets (at least 5 are needed)" in lines[3]
    )
    assert "on tasks that are one of its datasets" in lines[3]


def test_away_from_a_terminal_what_is_told_is_plain_lines_on_standard_error(built: tuple[Path, Result]) -> None:
    stderr = built[1].stderr
    assert "loading embedder" in stderr
    assert not {"\x1b", "\r", "%"} & set(stderr)


def test_the_options_are_the_packs_parameters(folder: Path, vectors: Embeddings, tmp_path: Path) -> None:
    give_embeddings(folder, vectors, DEFAULT_EMBEDDER)
    options = ("--no-carry", "--k", 3, "--kappa", 7, "--sigma", 0.2, "--eta", 0.75, "--seed", 5)
    assert run_command("pack", "build", folder, "-o", tmp_path / "pack.tar", *options).exit_code == 0
    manifest = read_manifest(tmp_path / "pack.tar")
    assert RoutingSettings(**manifest.routing) == RoutingSettings(k=3, kappa=7, sigma=0.2, eta=0.75)  # type: ignore[arg-type]
    assert manifest.calibration["seed"] == 5


def test_given_embeddings_of_the_embedder_are_used(folder: Path, vectors: Embeddings, tmp_path: Path) -> None:
    give_embeddings(folder, vectors, "all-MiniLM-L6-v2")
    result = run_command("pack", "build", folder, "-o", tmp_path / "pack", "--no-carry", "--cache", tmp_path / "cache")
    assert result.exit_code == 0
    assert "using embeddings.f16.npy: it matches " in result.stderr
    assert not (tmp_path / "cache").exists()
    assert read_manifest(tmp_path / "pack").embedder.revision


def test_a_limit_takes_as_many_inputs_of_each_dataset_and_says_so(
    folder: Path, vectors: Embeddings, tmp_path: Path
) -> None:
    give_embeddings(folder, vectors, DEFAULT_EMBEDDER)
    for name in ("one", "two"):
        result = run_command("pack", "build", folder, "-o", tmp_path / name, "--no-carry", "--limit", 6)
        assert result.exit_code == 0, result.output
        assert "limit 6: 24 of 80 inputs, at most 6 of each of 4 datasets" in result.stderr
        assert "using embeddings.f16.npy: it matches " in result.stderr
    manifest = read_manifest(tmp_path / "one")
    assert [dataset.n_inputs for dataset in manifest.datasets] == [6] * 4
    assert (manifest.name, manifest.hash) == ("questions", read_manifest(tmp_path / "two").hash)


def test_given_embeddings_in_another_order_are_refused(folder: Path, vectors: Embeddings, tmp_path: Path) -> None:
    give_embeddings(folder, vectors[::-1], DEFAULT_EMBEDDER)
    result = run_command("pack", "build", folder, "-o", tmp_path / "pack")
    assert result.exit_code == 2
    assert "embeddings.f16.npy row 1: cosine" in result.stderr
    assert not (tmp_path / "pack").exists()


def test_given_embeddings_whose_embedder_is_not_to_be_had_are_used_with_a_warning(
    folder: Path,
    vectors: Embeddings,
    tmp_path: Path,
) -> None:
    give_embeddings(folder, vectors, "/nonexistent/model")
    result = run_command("pack", "build", folder, "-o", tmp_path / "pack")
    assert result.exit_code == 0
    assert "warning: using embeddings.f16.npy without a check" in result.stderr
    assert read_manifest(tmp_path / "pack").embedder == EmbedderId("/nonexistent/model", "", 384)


def test_another_embedder_asked_for_by_name_is_used_instead_of_given_embeddings(
    folder: Path,
    vectors: Embeddings,
    pack: Path,
    tmp_path: Path,
) -> None:
    give_embeddings(folder, vectors, "/nonexistent/model")
    options = ("--no-carry", "--cache", pack.parent / "cache", "--embedder", DEFAULT_EMBEDDER)
    result = run_command("pack", "build", folder, "-o", tmp_path / "pack", *options)
    assert result.exit_code == 0
    assert "ignoring embeddings.f16.npy" in result.stderr
    assert "80 of 80 embeddings found in the cache " in result.stderr
    assert read_manifest(tmp_path / "pack").embedder.name == DEFAULT_EMBEDDER


@pytest.mark.slow
def test_an_interrupted_build_keeps_its_embeddings_and_goes_on_from_there(tmp_path: Path) -> None:
    """Ctrl-C in the second batch, of the long texts: exit code 130, and the same command embeds only those."""
    write_questions(tmp_path / "many", 70, long_ones=6)
    command = [
        "pack",
        "build",
        str(tmp_path / "many"),
        "-o",
        str(tmp_path / "pack"),
        "--cache",
        str(tmp_path / "cache"),
        "--no-carry",
    ]
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTIBLE, *command], stderr=subprocess.PIPE, text=True)
    _wait_for_a_batch(tmp_path / "cache" / CACHE_FILE)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "interrupted: 256 of 280 embeddings are in the cache " in stderr
    assert "rerun the command to resume" in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "pack").exists()

    assert _embedded(tmp_path / "cache" / CACHE_FILE) == 256
    result = run_command(*command)
    assert result.exit_code == 0
    assert f"256 of 280 embeddings found in the cache {tmp_path / 'cache'}" in result.stderr
    assert read_manifest(tmp_path / "pack").n_inputs == 280


def _embedded(cache: Path) -> int:
    with sqlite3.connect(cache) as connection:
        count: int = connection.execute("SELECT count(*) FROM embeddings").fetchone()[0]
    connection.close()
    return count


def _wait_for_a_batch(cache: Path) -> None:
    eventually(lambda: cache.exists() and _has_table(cache) and _embedded(cache), 60)


def _has_table(cache: Path) -> bool:
    with sqlite3.connect(cache) as connection:
        found = connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
    connection.close()
    return found


def test_a_broken_benchmark_is_refused_with_every_fault(folder: Path, tmp_path: Path) -> None:
    (folder / "outcomes.parquet").unlink()
    (folder / "models.csv").write_text("model,params_b\ncalc,large\n")
    result = run_command("pack", "build", folder, "-o", tmp_path / "pack")
    assert result.exit_code == 2
    assert "outcomes.parquet is missing" in result.stderr
    assert "models.csv row 1: params_b 'large'" in result.stderr


def test_what_is_no_pack_is_not_overwritten(questions: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("precious")
    result = run_command("pack", "build", questions, "-o", tmp_path / "thesis")
    assert (result.exit_code, result.stderr) == (
        1,
        f"error: {tmp_path / 'thesis'} exists and is not a pack: choose another path\n",
    )


def test_a_cache_that_is_no_cache_is_named(questions: Path, tmp_path: Path) -> None:
    (tmp_path / CACHE_FILE).write_text("no database " * 100)
    result = run_command("pack", "build", questions, "-o", tmp_path / "pack", "--cache", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path / CACHE_FILE} cannot be used: file is not a database" in result.stderr


def test_an_embedder_that_is_not_to_be_had_is_named(questions: Path, tmp_path: Path) -> None:
    result = run_command("pack", "build", questions, "-o", tmp_path / "pack", "--embedder", "/nonexistent/model")
    assert result.exit_code == 1
    assert "error: embedder '/nonexistent/model' cannot be loaded" in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error")]) == 1


def test_the_cache_lies_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert default_cache_path() == Path("/caches/benchroute/embeddings")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_cache_path() == Path("/home/ada/.cache/benchroute/embeddings")


@pytest.mark.slow
def test_a_large_benchmark_gets_inverted_lists_and_its_own_embedder(
    monkeypatch: pytest.MonkeyPatch, questions: Path, pack: Path, tmp_path: Path
) -> None:
    for module in (build, stored):
        monkeypatch.setattr(module, "MAX_GRAPH", 50)
    made = tmp_path / "large"
    result = run_command("pack", "build", questions, "-o", made, "--with-texts", "--cache", tmp_path / "cache")
    assert result.exit_code == 0
    assert "index  inverted lists, for more than 50,000 inputs; " in result.stdout
    opened, small = open_pack(made), open_pack(pack)
    assert opened.manifest.has_lists
    assert opened.texts is not None
    assert opened.input_index is not None
    assert small.input_index is not None
    # The same inputs in another order: rows, texts and outcomes are still of the same input.
    rows = [small.input_index.ids.index(name) for name in opened.input_index.ids]
    assert rows != sorted(rows)
    assert opened.texts == tuple(read_benchmark(questions).texts[row] for row in rows)
    np.testing.assert_array_equal(opened.outcomes, small.outcomes[rows])
    np.testing.assert_allclose(opened.embeddings, small.embeddings[rows], atol=1e-6)
    about = read_embedder_info(made, opened.manifest)
    assert about is not None
    # Compared on the texts of its own rows: on others hardly any neighbour would be the same.
    assert about["kept"] is None or about["kept"] > 0.95
    assert run_command("pack", "verify", made).exit_code == 0
