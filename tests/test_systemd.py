"""The systemd units: systemd accepts them, they are hardened, and they fit the program."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import Config

FOLDER = Path(__file__).parents[1] / "deploy/systemd"
UNITS = sorted(FOLDER.glob("*.service"))
PROGRAM = "/opt/benchroute/bin/benchroute"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")

MAX_EXPOSURE = 20
"""Of systemd's exposure level, 0 to 100; a service without any hardening has 96."""


def service(path: Path) -> configparser.SectionProxy:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names are written in mixed case
    unit.read_string(path.read_text())
    return unit["Service"]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ANALYZE or "", *arguments], capture_output=True, text=True, check=False, timeout=60)


@needs_systemd
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_accepts_the_unit(path: Path, tmp_path: Path) -> None:
    installed = tmp_path / path.name
    program = Path(sys.executable).with_name("benchroute")
    installed.write_text(path.read_text().replace(PROGRAM, str(program)))
    done = analyze("verify", str(installed))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_the_unit_has_few_rights(path: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_the_state_is_where_the_unit_may_write(path: Path) -> None:
    unit = service(path)
    state = f"/var/lib/{unit['StateDirectory']}"
    assert unit["WorkingDirectory"] == state
    assert f"HOME={state}" in unit["Environment"].split()
    assert unit["ProtectSystem"] == "strict"
    assert unit["ExecStart"].startswith(f"{PROGRAM} ")


def test_the_gateway_is_given_the_time_to_stop_and_the_state_of_its_folder() -> None:
    unit = service(FOLDER / "benchroute.service")
    assert "BENCHROUTE_STATE=sqlite:////var/lib/benchroute/benchroute.db" in unit["Environment"].split()
    server = Config.model_fields["server"].get_default(call_default_factory=True)
    assert int(unit["TimeoutStopSec"]) >= server.drain_s + server.shutdown_grace_s + 15
    assert unit["Type"] == "notify"


def test_units_differ_only_where_gateway_and_scorer_do() -> None:
    gateway, scorer = (set(service(path).items()) for path in reversed(UNITS))
    hardening = {
        pair for pair in gateway if pair[0].startswith(("Protect", "Private", "Restrict", "System", "Lock", "Cap"))
    }
    assert len(hardening) > 18
    assert hardening <= scorer
