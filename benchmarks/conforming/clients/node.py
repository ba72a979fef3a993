"""openai for Node (https://github.com/openai/openai-node), in a process of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.conforming.checks import Result
from benchmarks.conforming.target import KEY, Target

SCRIPT = Path(__file__).with_name("node_checks.mjs")
INSTALL_S, RUN_S = 180, 60


def run(target: Target, folder: Path) -> Iterator[Result]:
    """Installs the client into `folder` where it is not there yet, and runs the script's checks."""
    reason = _missing(folder)
    if reason:
        yield Result("openai for Node", "all", None, reason)
        return
    package = json.loads((folder / "node_modules" / "openai" / "package.json").read_text())
    group = f"openai for Node {package['version']}"
    script = folder / SCRIPT.name
    script.write_text(SCRIPT.read_text())
    done = subprocess.run(
        [shutil.which("node") or "node", str(script)],
        env={**os.environ, "BASE_URL": target.url, "API_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    for line in done.stdout.splitlines():
        found = json.loads(line)
        yield Result(group, found["name"], found["ok"], found["detail"])
    if done.returncode:
        yield Result(group, "the script ends", False, done.stderr[-400:])


def _missing(folder: Path) -> str | None:
    """Why it cannot be run, after trying to install it."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "there is no node or npm here"
    if (folder / "node_modules" / "openai").exists():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "openai@>=5 <8"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        return f"npm did not install it within {INSTALL_S} s"
    return None if done.returncode == 0 else f"npm could not install it: {done.stderr[-200:]}"
