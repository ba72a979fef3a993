"""The project's own files: packages, versions, workflows."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose_files import FLEET, SINGLE, services_of

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PYPROJECT["project"]["version"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PYTHONS = ("3.11", "3.12", "3.13")

MAKE, GIT = shutil.which("make") or "make", shutil.which("git") or "git"

MAX_SDIST_MB = 20
"""PyPI's limit is 100 MB; the public pack takes 11.6."""


def workflow(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text()))


def jobs_of(path: Path) -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(path.read_text())["jobs"])


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_one_version_stands_everywhere() -> None:
    chart = yaml.safe_load((ROOT / "deploy/helm/benchroute/Chart.yaml").read_text())
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    images = {one["image"] for file in (SINGLE, FLEET) for one in services_of(file).values()}
    assert {chart["version"], chart["appVersion"], citation["version"]} == {VERSION}
    assert [image for image in images if image.startswith("benchroute:")] == [f"benchroute:{VERSION}"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_and_named_by_version(path: Path) -> None:
    for line in re.findall(r"uses: (.*)", path.read_text()):
        assert re.fullmatch(r"\./[\w./-]+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_may_only_do_what_they_need(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert document["permissions"] in ({}, {"contents": "read"})
    for name, job in document["jobs"].items():
        assert "uses" in job or job["timeout-minutes"] <= 90, name
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name
            # A tag's or branch's name is a text of whoever made it: never part of a script.
            assert "${{ github." not in step.get("run", ""), name


def test_ci_runs_the_makefiles_targets_on_every_version() -> None:
    matrix = workflow("ci")["jobs"]["make"]["strategy"]["matrix"]
    run = {(target, python) for target in matrix["target"] for python in matrix["python"]}
    run |= {(one["target"], one["python"]) for one in matrix["include"]}
    assert {("test", python) for python in PYTHONS} <= run
    named = {target for target, _ in run}
    assert named <= targets()
    # An entry whose every value is one of the matrix's own would be no job, but a change of one.
    assert matrix["pure"] == [""]
    assert {"test", "wheel-test"} == {one["target"] for one in matrix["include"] if one.get("pure")}
    # What CI of a clone runs, and what cannot run there.
    local = set(re.findall(r"^make ([a-z-]+)", (ROOT / ".ci/run").read_text(), re.MULTILINE))
    assert local | {"ui-test", "docs", "wheel-test"} == named


def test_every_version_that_is_tested_is_declared() -> None:
    declared = re.findall(r"Python :: (3\.\d+)$", "\n".join(PYPROJECT["project"]["classifiers"]), re.MULTILINE)
    assert tuple(declared) == PYTHONS
    assert PYPROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"


def test_targets_of_workflows_and_files_exist() -> None:
    texts = [
        path.read_text()
        for path in (*WORKFLOWS, ROOT / ".pre-commit-config.yaml", ROOT / ".devcontainer/devcontainer.json")
    ]
    named = {target for text in texts for target in re.findall(r"\bmake (?:-s )?([a-z-]+)", text)}
    assert named >= {"check", "image", "chart", "wheel", "release-check", "release-notes"}
    assert named <= targets()


def test_a_release_is_what_the_tag_names() -> None:
    def make(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([MAKE, "-s", *words], cwd=ROOT, capture_output=True, text=True, check=False)

    wrong = make("release-check", "TAG=v9.9.9")
    assert wrong.returncode != 0
    assert f"TAG is 'v9.9.9', and pyproject.toml says {VERSION}" in wrong.stdout
    right = make("release-check", f"TAG=v{VERSION}")
    has_section = re.search(rf"^## {re.escape(VERSION)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert (right.returncode == 0) is (has_section is not None)


def test_only_what_is_released_needs_more_than_reading() -> None:
    writing = {
        name: set(job["permissions"]) - {"contents"}
        for name, job in jobs_of(ROOT / ".github/workflows/release.yml").items()
    }
    assert writing["pypi"] == {"id-token"}
    assert writing["image"] == writing["chart"] == {"packages", "id-token"}
    assert not writing["package"]
    assert not writing["ci"]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Source distribution and wheel of the files that git has, built in a folder of their own."""
    folder = tmp_path_factory.mktemp("clean")
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    made = subprocess.run(
        [MAKE, "wheel", f"PYTHON={sys.executable}"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "dist"


def tracked_files(*under: str) -> list[str]:
    listed = subprocess.run([GIT, "ls-files", "-z", *under], cwd=ROOT, capture_output=True, check=True, text=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.slow
def test_the_wheel_has_every_file_of_its_packages_and_nothing_else(dist: Path) -> None:
    with zipfile.ZipFile(dist / f"benchroute-{VERSION}-py3-none-any.whl") as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        told = message_from_bytes(wheel.read(f"benchroute-{VERSION}.dist-info/METADATA"))
        notices = {name.rsplit("/", 1)[1] for name in wheel.namelist() if "/licenses/" in name}
    assert names == set(tracked_files("gateway", "routing"))
    assert {"gateway/ui/static/index.html", "routing/catalogue/public/public.tar", "routing/py.typed"} <= names
    assert told["License-Expression"] == "Apache-2.0"
    assert notices == {"LICENSE", "NOTICE"}


@pytest.mark.slow
def test_the_source_distribution_is_small_and_builds_the_same(dist: Path) -> None:
    path = dist / f"benchroute-{VERSION}.tar.gz"
    assert path.stat().st_size < MAX_SDIST_MB * 1024**2
    with tarfile.open(path) as tar:
        names = {name.split("/", 1)[1] for name in tar.getnames() if "/" in name}
    assert set(tracked_files("gateway", "routing")) <= names
    assert not any(name.startswith(("tests", "docs", "benchmarks", "qa", ".")) for name in names - {".gitignore"})
