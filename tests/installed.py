"""Checks of an installed package: `make wheel-test` runs them with the Python that it is installed for.

installed.py yes|no    whether it has to have its compiled modules
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path

import gateway

DATA = (
    ("gateway.ui", "static/index.html"),
    ("gateway.ui", "static/app.js"),
    ("gateway", "py.typed"),
    ("routing", "py.typed"),
    ("routing.catalogue", "models.toml"),
    ("routing.catalogue", "public/public.tar"),
)
PORT = 18_099
CONFIG = """
models: [{name: gpt-4o, backends: [{kind: openai, base_url: "http://127.0.0.1:9/v1"}]}]
state: {url: "sqlite:///state.db"}
"""


def run_benchroute(*arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("benchroute")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def check_files() -> None:
    assert Path(gateway.__file__).is_relative_to(sys.prefix), f"{gateway.__file__} is not the installed package"
    for package, name in DATA:
        assert files(package).joinpath(name).is_file(), f"{package} has no {name}"
    assert importlib.util.find_spec("torch") is None, "the scorer extra installs PyTorch"


def check_compiled(is_expected: bool) -> None:
    is_compiled = importlib.util.find_spec("gateway.http._json_members") is not None
    assert is_compiled == is_expected, f"compiled modules: {is_compiled}, expected: {is_expected}"


def check_commands() -> None:
    version = metadata("benchroute")["Version"]
    assert run_benchroute("--version") == f"benchroute {version}\n"
    assert json.loads(run_benchroute("pack", "public", "--json"))


def check_gateway() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.yaml").write_text(CONFIG)
        command = [str(Path(sys.executable).with_name("benchroute")), "serve", "--port", str(PORT)]
        with subprocess.Popen(command, cwd=folder) as process:
            try:
                wait_for(f"http://127.0.0.1:{PORT}/health/live")
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/ui/") as page:
                    assert b"<!doctype html>" in page.read().lower()
            finally:
                process.terminate()


def wait_for(url: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(url).close()  # noqa: S310 - our own
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{url} does not answer")


if __name__ == "__main__":
    check_files()
    check_compiled(sys.argv[1] == "yes")
    check_commands()
    check_gateway()
    sys.stdout.write("the installed package works\n")
