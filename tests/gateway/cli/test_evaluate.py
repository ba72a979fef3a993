import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routing.manifest import read_manifest
from tests.gateway.cli.conftest import run_command, write_questions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Path(tmp_path_factory.mktemp("evaluate")) / "questions"
    write_questions(made, per_dataset=30)
    (made / "pools.json").write_text(json.dumps({"two": ["calc", "atlas"]}))
    return made


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("caches"))


@pytest.fixture(autouse=True)
def embedding_cache(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep embeddings from one test to the next: all have the same inputs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches))


def test_a_benchmark_is_evaluated_and_reported(folder: Path, tmp_path: Path) -> None:
    result = run_command("evaluate", folder, "-o", tmp_path / "report", "--scores", "S1,S3,BMA,oracle", "--repeats", 2)
    assert result.exit_code == 0, result.output
    assert "S3" in result.output
    rows = {row["system"]: row for row in json.loads((tmp_path / "report" / "table.json").read_text())}
    assert set(rows) == {"S1", "S3", "BMA", "oracle"}
    assert rows["oracle"]["accuracy"] >= rows["S3"]["accuracy"]
    assert (tmp_path / "report" / "report.html").exists()
    limited = run_command("evaluate", folder, "-o", tmp_path / "limited", "--max-params-b", 500, "--regime", "known")
    assert limited.exit_code == 0, limited.output
    assert "of at most 500 B parameters" in (tmp_path / "limited" / "report.html").read_text()
    again = run_command(
        "evaluate", folder, "-o", tmp_path / "two", "--pool", "two", "--scores", "S1", "--alpha", "0,0.2"
    )
    assert again.exit_code == 0, again.output
    assert {row["pool"] for row in json.loads((tmp_path / "two" / "table.json").read_text())} == {"two"}


def test_of_a_large_benchmark_a_sample_is_evaluated_and_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.evaluate.MAX_GRAPH", 60)
    result = run_command("evaluate", folder, "-o", tmp_path / "report", "--regime", "new")
    assert result.exit_code == 0, result.output
    assert "evaluating 60 of 120 inputs, drawn from every dataset with a fixed seed" in result.output
    assert "a sample of its 120 inputs" in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--pool", "none"), "--pool none: unknown pool; pools.json has two"),
        (("--scores", "S9"), "--scores S9: expected, with knn, one of S1"),
        (("--alpha", "much"), "--alpha much: expected numbers"),
        (("--alpha", "1.5"), "at least 0 and below 1"),
        (("--max-params-b", "0.1"), "fewer than two models"),
    ],
)
def test_what_cannot_be_evaluated_is_told(folder: Path, tmp_path: Path, options: tuple[str, str], told: str) -> None:
    result = run_command("evaluate", folder, "-o", tmp_path / "report", *options)
    assert (result.exit_code, told in result.output) == (2, True), result.output
    assert not (tmp_path / "report").exists()


@pytest.fixture(scope="module")
def partial(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`broad` was never asked for a river, `atlas` on three sums only, and nobody for the first capital."""
    made = Path(tmp_path_factory.mktemp("partial")) / "questions"
    made.mkdir()
    for name in ("inputs.parquet", "models.csv", "datasets.csv"):
        (made / name).write_bytes((folder / name).read_bytes())
    outcomes = pq.read_table(folder / "outcomes.parquet")
    rows = zip(outcomes["input_id"].to_pylist(), outcomes["model"].to_pylist(), strict=True)
    known = [
        not (
            (model == "broad" and id_.startswith("rivers"))
            or (model == "atlas" and id_.startswith("sums") and int(id_.split("-")[1]) > 2)
            or id_ == "capitals-0"
        )
        for id_, model in rows
    ]
    pq.write_table(outcomes.filter(pa.array(known)), made / "outcomes.parquet")
    return made


def test_a_partial_benchmark_is_evaluated_without_nan(partial: Path, tmp_path: Path) -> None:
    options = ("--alpha", "0,0.2", "--repeats", 2, "--per-input")
    result = run_command("evaluate", partial, "-o", tmp_path / "report", *options)
    assert result.exit_code == 0, result.output
    written = [path.read_text() for path in (tmp_path / "report").rglob("*") if path.suffix in (".json", ".csv")]
    assert written
    for text in (result.output, *written):
        assert not re.search(r"\bnan\b", text, flags=re.IGNORECASE), [
            line for line in text.splitlines() if "nan" in line
        ]
    assert "broad" in result.stderr, "the coverage table comes first"
    rows = json.loads((tmp_path / "report" / "table.json").read_text())
    accuracy = {row["system"]: row["accuracy"] for row in rows if row["alpha"] == 0}
    assert all(0 <= accuracy[name] <= accuracy["oracle"] for name in ("S1", "S2", "S3", "auto", "BMA", "random"))


def test_evaluate_and_build_take_the_same_models(partial: Path, tmp_path: Path) -> None:
    selection = ("--models", "calc,b*", "--datasets", "sums,rivers,capitals")
    evaluated = run_command("evaluate", partial, "-o", tmp_path / "report", "--scores", "S1,BMA", *selection)
    built = run_command("pack", "build", partial, "-o", tmp_path / "pack", "--no-carry", *selection)
    assert (evaluated.exit_code, built.exit_code) == (0, 0), evaluated.output + built.output
    assert read_manifest(tmp_path / "pack").model_names == ("calc", "broad")
    for told in ("left out, not selected: 2 models: atlas, secret", "coverage: 90 inputs, 3 datasets, 2 models, "):
        assert told in evaluated.stderr
        assert told in built.stderr


def test_models_with_gaps_can_be_left_out_and_are_named(partial: Path, tmp_path: Path) -> None:
    result = run_command("evaluate", partial, "-o", tmp_path / "report", "--scores", "S1,BMA", "--complete-only")
    assert result.exit_code == 0, result.output
    assert "left out, too large, or outcomes missing on the datasets that remain: 1 models: broad" in result.stderr
