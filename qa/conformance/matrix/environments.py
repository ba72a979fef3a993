"""An environment of its own for each client, from PyPI or npm, in a cache outside the repository."""

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qa.conformance.checks import NotRun
from qa.conformance.matrix.clients import Package

INSTALL_S = 600
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "-q")
NPM = ("install", "--no-audit", "--no-fund", "--no-package-lock", "--silent")


def cache_folder() -> Path:
    """Return the folder of all environments: CONFORMANCE_CACHE, else one below ~/.cache."""
    return Path(os.environ.get("CONFORMANCE_CACHE") or Path.home() / ".cache" / "benchroute" / "conformance")


def prepare_environment(cache: Path, packages: Package) -> Path:
    """Install the packages unless these versions are there. Returns the folder.

    Raises NotRun if they cannot be installed; the message is the installer's.
    """
    if packages.registry == "source":
        return cache
    folder, wanted = cache / packages.environment, "\n".join(packages.pins)
    stamp = folder / "installed.txt"
    with _locked(folder):
        if not (stamp.is_file() and stamp.read_text() == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _install(folder, packages)
            stamp.write_text(wanted)
    return folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other runs from the folder during the block: one would remove what another installs."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(folder: Path, packages: Package) -> None:
    if packages.registry == "pypi":
        venv.create(folder, with_pip=False)
        command = [sys.executable, *PIP, "--python", str(folder / "bin" / "python"), "install", *packages.pins]
    else:
        npm = shutil.which("npm")
        if npm is None:
            raise NotRun("there is no npm here")
        (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
        command = [npm, *NPM, *packages.pins]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        raise NotRun(f"installing {packages.pins[0]} took more than {INSTALL_S} s") from None
    if done.returncode:
        raise NotRun(f"{packages.pins[0]} cannot be installed: {(done.stderr or done.stdout).strip()[-300:]}")
