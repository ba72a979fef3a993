"""`pack inspect`: what is in a pack and what it is worth, as text and as JSON."""

import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from routing.gain_summary import gain_sentence
from routing.manifest import read_manifest
from routing.neighbours.ivf import InvertedLists, IvfIndex
from routing.pack import open_pack, save_pack
from tests.gateway.cli.conftest import MODELS, QUESTIONS, run_command

AGAIN = "; copy the pack again, or rebuild it with `benchroute pack build`"


def test_the_text_names_datasets_models_embedder_parameters_and_worth(pack: Path) -> None:
    result = run_command("pack", "inspect", pack)
    manifest, shown = read_manifest(pack), " ".join(result.stdout.split())
    assert result.exit_code == 0
    for name in QUESTIONS:
        assert f"{name} [tests] CC0-1.0 20 0.5" in shown
    for part in (
        manifest.hash,
        str(manifest.embedder),
        "80 inputs",
        "k = 5, kappa = 19, threshold = 0.5, sigma = 0.09, eta = 0.6",
        f"{manifest.calibration['pairs']} pairs (u, p) from 15 alphas, 0 to 0.35, 10 repeats",
        f"{manifest.made_by}, {manifest.made_at}, {manifest.software}",
        "accuracy on held-out datasets, mean of 4",
    ):
        assert part in shown


def test_models_come_best_on_average_first_with_size_and_price(pack: Path) -> None:
    lines = run_command("pack", "inspect", pack).stdout.splitlines()
    start = lines.index("models, best on average first") + 3
    rows = [line.split() for line in lines[start : start + len(MODELS)]]
    assert tuple(row[0] for row in rows) == read_manifest(pack).on_average
    by_name = {row[0]: row[2:] for row in rows}
    assert by_name["broad"] == ["70", "8", "/", "24"]
    assert by_name["secret"] == ["–", "–", "/", "–"]


def test_datasets_shows_what_routing_brings_on_each(pack: Path) -> None:
    without, with_ = (run_command("pack", "inspect", pack, *option).stdout for option in ((), ("--datasets",)))
    assert "accuracy on each held-out dataset" not in without
    assert "accuracy on each held-out dataset" in with_


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        ({}, "reads 3 of 32, recall@19 98.4% for known tasks, 97.1% for new tasks"),
        ({"recall_new": None}, "reads 3 of 32, recall@19 98.4% for known tasks"),
        ({"is_exhaustive": True}, "all 32 are read, since fewer find less than 97% of the 19 nearest"),
    ],
)
def test_the_index_and_its_reason_are_shown(pack: Path, tmp_path: Path, measured: dict[str, object], said: str) -> None:
    assert "index       HNSW graph, for up to 50,000 inputs\n" in run_command("pack", "inspect", pack).stdout
    opened = open_pack(pack)
    index = IvfIndex(opened.embeddings, InvertedLists.divide(opened.embeddings, 32), 3)
    found = {"n_lists": 32, "n_probe": 3, "neighbours": 19, "recall_known": 0.984, "recall_new": 0.971}
    report = {**opened.report, "index": {**found, "is_exhaustive": False, **measured}}
    save_pack(replace(opened, index=index, report=report), tmp_path / "large")
    assert f"{said}\n" in run_command("pack", "inspect", tmp_path / "large").stdout
    document = json.loads(run_command("pack", "inspect", tmp_path / "large", "--json").stdout)
    assert document["index"].startswith("inverted lists, for more than 50,000 inputs; ")


@pytest.mark.parametrize("named", ["s3", "auto", None])
def test_the_recommended_score_and_its_reason_are_shown(pack: Path, tmp_path: Path, named: str | None) -> None:
    opened = open_pack(pack)
    report = {**opened.report, "recommended": named}
    save_pack(replace(opened, report=report), tmp_path / "told")
    found = json.loads(run_command("pack", "inspect", tmp_path / "told", "--json").stdout)["recommended"]
    assert found["score"] == (named or "s3")
    shown = run_command("pack", "inspect", tmp_path / "told").stdout.splitlines()[-1]
    assert shown == f"recommended score: {found['score']}; {found['why']}"


def test_json_is_the_manifest_the_report_and_its_gain(pack: Path) -> None:
    document = json.loads(run_command("pack", "inspect", pack, "--json").stdout)
    report = json.loads((pack / "report.json").read_text())
    assert document["report"] == report
    assert document["gain_summary"] == gain_sentence(report)
    assert document["size_bytes"] == sum(file.stat().st_size for file in pack.iterdir())
    for key, value in json.loads((pack / "manifest.json").read_text()).items():
        assert document[key] == value


def test_a_tar_is_inspected_without_unpacking(pack: Path, tmp_path: Path) -> None:
    """Only the manifest and the report are in it: nothing else is read."""
    with tarfile.open(tmp_path / "pack.tar", "w") as tar:
        for name in ("manifest.json", "report.json"):
            tar.add(pack / name, arcname=name)
    folder, tar_ = (
        json.loads(run_command("pack", "inspect", path, "--json").stdout) for path in (pack, tmp_path / "pack.tar")
    )
    assert tar_["report"] == folder["report"]
    assert tar_["hash"] == folder["hash"]


@pytest.mark.parametrize("tarred", [False, True])
def test_a_pack_without_its_report_is_refused(pack: Path, tmp_path: Path, tarred: bool) -> None:
    path = tmp_path / "pack"
    path.mkdir()
    shutil.copy(pack / "manifest.json", path)
    if tarred:
        path = tmp_path / "pack.tar"
        with tarfile.open(path, "w") as tar:
            tar.add(pack / "manifest.json", arcname="manifest.json")
    result = run_command("pack", "inspect", path)
    assert (result.exit_code, result.stderr) == (1, f"error: {path}: report.json is missing{AGAIN}\n")


def test_an_altered_report_is_refused(pack: Path, tmp_path: Path) -> None:
    shutil.copytree(pack, tmp_path / "pack")
    (tmp_path / "pack" / "report.json").write_text('{"accuracy": {}}')
    result = run_command("pack", "inspect", tmp_path / "pack")
    assert result.exit_code == 1
    assert "report.json has hash" in result.stderr


def test_what_is_no_pack_is_named(tmp_path: Path) -> None:
    result = run_command("pack", "inspect", tmp_path / "nothing")
    assert result.exit_code == 1
    assert f"Pack not found: {tmp_path / 'nothing'}" in result.stderr
