"""A pack is replaced whole: who has the old one open goes on with it, and who looks finds one of the two."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from routing.atomic_swap import swap_in_steps, swap_paths
from routing.manifest import read_manifest
from routing.pack import Pack, open_pack, save_pack
from tests.gateway.letters import Letters
from tests.gateway.packs import small_pack

HOLDS = """
import sys
from pathlib import Path
from routing.pack import open_pack
pack = open_pack(Path(sys.argv[1]))
print("open", flush=True)
for _ in sys.stdin:
    print(float(pack.embeddings.sum(dtype="f8")), float(pack.embeddings[-1].sum(dtype="f8")), flush=True)
"""


@pytest.fixture(scope="module")
def large() -> Pack:
    return small_pack(Letters(), per_dataset=400)


@pytest.fixture(scope="module")
def small() -> Pack:
    return small_pack(Letters(), per_dataset=20)


def test_a_process_that_has_mapped_a_pack_goes_on_reading_it(large: Pack, small: Pack, tmp_path: Path) -> None:
    """Were it truncated instead, reading would end the process with SIGBUS."""
    path = tmp_path / "pack"
    save_pack(large, path)
    command = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        save_pack(small, path)
        process.stdin.write("read\n")
        process.stdin.flush()
        told = process.stdout.readline().split()
    assert [float(number) for number in told] == [
        float(large.embeddings.sum(dtype="f8")),
        float(large.embeddings[-1].sum(dtype="f8")),
    ]
    assert process.returncode == 0
    assert len(open_pack(path).embeddings) == len(small.embeddings)
    assert [left.name for left in tmp_path.iterdir()] == ["pack"]


@pytest.mark.skipif(sys.platform != "linux", reason="names are exchanged on Linux")
def test_there_is_always_a_pack_at_its_place(small: Pack, tmp_path: Path) -> None:
    path, ended, missed = tmp_path / "pack", threading.Event(), list[str]()
    manifest = save_pack(small, path)

    def look() -> None:
        while not ended.is_set():
            if not path.exists():
                missed.append("missing")

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(30):
        save_pack(small, path)
    ended.set()
    looking.join()
    assert missed == []
    assert read_manifest(path) == manifest


@pytest.mark.parametrize("how", [swap_paths, swap_in_steps])
def test_two_folders_change_places(how: Callable[[Path, Path], None], tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.mkdir()
        (path / path.name).touch()
    how(one, other)
    assert [(path.name, inside.name) for path in (one, other) for inside in path.iterdir()] == [
        ("one", "other"),
        ("other", "one"),
    ]
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_to_change_places_with_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(FileNotFoundError):
        swap_paths(tmp_path / "one", tmp_path / "nowhere")
    assert (tmp_path / "one").exists()
