"""The API reference shows every endpoint, and what it shows runs: with curl, with Python and with TypeScript."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from docs.api.calls import ApiCall, read_calls
from docs.api.pages import TITLES, missing_endpoints, render_pages
from docs.api.run import Answer, ReferenceGateway, ask_all, reference_gateway, write_uploads
from docs.api.snippets import snippet
from tests.docs.markdown import TOP

FOLDER = TOP / "docs" / "reference" / "api"
STATUS = re.compile(r"^(\d{3}):\n\n```json\n(.*?)^```", re.MULTILINE | re.DOTALL)
PYTHON = """
import io, sys
from contextlib import redirect_stdout
for path in sys.argv[1:]:
    printed = io.StringIO()
    with open(path) as file, redirect_stdout(printed):
        exec(compile(file.read(), path, "exec"), {})
    print(printed.getvalue().split(maxsplit=1)[0])
"""
NODE = """
const print = console.log;
for (const path of process.argv.slice(2)) {
  console.log = (status) => print(status);
  await import(path);
}
"""


def test_every_endpoint_has_a_call() -> None:
    calls = read_calls()
    assert missing_endpoints(calls) == [], "add a call to docs/api/calls.toml, and run `python -m docs.api`"
    assert {call.page for call in calls} == set(TITLES)


def test_every_call_is_on_its_page() -> None:
    """As far as it needs nothing of earlier ones, by its code."""
    for call in read_calls():
        page = (FOLDER / f"{call.page}.md").read_text(encoding="utf-8")
        assert f"\n## {call.endpoint}\n" in page, "run `python -m docs.api`"
        if "{{" not in f"{call.path}{call.body}{call.form}":
            lines = [line.strip() for line in snippet("curl", call).splitlines()]
            assert all(line in page for line in lines), "run `python -m docs.api`"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceGateway]:
    with reference_gateway(tmp_path_factory.mktemp("reference")) as running:
        yield running


@pytest.fixture(scope="module")
def asked(gateway: ReferenceGateway) -> Sequence[tuple[ApiCall, Answer]]:
    return list(ask_all(gateway, read_calls()))


@pytest.mark.slow
def test_the_pages_show_the_answers_of_today(
    gateway: ReferenceGateway, asked: Sequence[tuple[ApiCall, Answer]]
) -> None:
    for name, text in render_pages(asked, gateway).items():
        written = (FOLDER / name).read_text(encoding="utf-8")
        assert outlines(written) == outlines(text), f"{name}: run `python -m docs.api`"


def outlines(page: str) -> list[tuple[str, list[str]]]:
    """Status of every answer on a page, and the names of its members."""
    return [(status, sorted(json.loads(text))) for status, text in STATUS.findall(page)]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["curl", "Python", "TypeScript"])
def test_the_code_runs(
    language: str, gateway: ReferenceGateway, asked: Sequence[tuple[ApiCall, Answer]], tmp_path: Path
) -> None:
    program = {"curl": "curl", "Python": sys.executable, "TypeScript": "node"}[language]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    write_uploads(tmp_path, [call for call, _ in asked])
    (tmp_path / ".curlrc").write_text('silent\noutput = /dev/null\nwrite-out = "%{http_code}\\n"\n')
    (tmp_path / "run.py").write_text(PYTHON)
    (tmp_path / "run.mjs").write_text(NODE)
    suffix = {"curl": ".sh", "Python": ".py", "TypeScript": ".mjs"}[language]
    files = [tmp_path / f"{number}{suffix}" for number in range(len(asked))]
    for file, (call, _) in zip(files, asked, strict=True):
        file.write_text(snippet(language, call), encoding="utf-8")
    runner = {"curl": ["bash", "-c", 'for file in "$@"; do bash "$file"; done', "bash"], "Python": [program, "run.py"]}
    command = [*runner.get(language, [program, "run.mjs"]), *map(str, files)]
    environment = {**os.environ, **gateway.environment, "CURL_HOME": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = [f"{call.endpoint}: {answer.status}" for call, answer in asked]
    assert [f"{call.endpoint}: {got}" for (call, _), got in zip(asked, done.stdout.split(), strict=True)] == expected
