"""A scorer's process stands back: by its own niceness, and by its session's where the kernel ranks those."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.processes import priority
from gateway.processes.priority import lower_priority_of

AUTOGROUP = Path("/proc/self/autogroup")

OWN = os.getpriority(os.PRIO_PROCESS, 0)
TOLD = AUTOGROUP.read_text() if AUTOGROUP.exists() else ""
RANK = int(TOLD.split()[-1]) if TOLD else 0
"""These tests may stand back themselves."""

SHOWN = """
import os
from pathlib import Path
from gateway.processes.priority import lower_own_priority
lower_own_priority(7)
ranks = Path("/proc/self/autogroup")
print(os.getpriority(os.PRIO_PROCESS, 0), ranks.read_text() if ranks.exists() else "")
"""


def shown(*, leads: bool) -> str:
    command = [sys.executable, "-c", SHOWN]
    return subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=leads).stdout


def test_a_program_stands_back_with_its_session_where_that_is_its_own() -> None:
    told = shown(leads=True)
    assert told.startswith(f"{OWN + 7} ")
    if AUTOGROUP.exists():
        assert told.strip().endswith("nice 7")


def test_a_session_that_others_share_is_left_as_it_is() -> None:
    before = AUTOGROUP.read_text() if AUTOGROUP.exists() else ""
    told = shown(leads=False)
    assert told.startswith(f"{OWN + 7} ")
    assert (AUTOGROUP.read_text() if AUTOGROUP.exists() else "") == before


def test_a_process_that_was_started_is_held_back_and_one_that_has_ended_is_no_error() -> None:
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        assert lower_priority_of(process.pid, 9)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, OWN + 9)
        if AUTOGROUP.exists():
            assert Path(f"/proc/{process.pid}/autogroup").read_text().endswith(f"nice {min(19, RANK + 9)}\n")
    assert lower_priority_of(process.pid, 9)


@pytest.mark.parametrize(("own", "told"), [("", "3"), ("/autogroup-7 nice 2\n", "5"), (None, "3")])
def test_a_program_outside_any_group_ranks_what_it_starts_all_the_same(
    own: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel shows such a program an empty file, which stopped scorers from starting."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as process:
        for name, text in (("self", own), (str(process.pid), "/autogroup-8 nice 0\n")):
            (tmp_path / name).mkdir()
            if text is not None:
                (tmp_path / name / "autogroup").write_text(text)
        monkeypatch.setattr(priority, "PROC", tmp_path)
        assert lower_priority_of(process.pid, 3)
        written = (tmp_path / str(process.pid) / "autogroup").read_text()
    assert written == told


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel does not group sessions")
def test_a_scorer_of_a_fleet_stands_back_with_its_process(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from gateway.distributed.supervisor import ScorerSupervisor;"
        ' show = \'import os, sys; print(os.getpriority(os.PRIO_PROCESS, 0), open("/proc/self/autogroup").read(),'
        ' os.environ["OPENBLAS_NUM_THREADS"], flush=True); sys.stdin.read()\';'
        " ScorerSupervisor(Path('config.yaml'), [sys.executable, '-c', show], nice=5).run_until_stopped()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        told = process.stdout.readline() + process.stdout.readline()
        process.terminate()
    assert re.fullmatch(rf"{OWN + 5} /autogroup-\d+ nice 5\n 1\n", told)
