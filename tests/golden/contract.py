"""What others rely on, as sorted lines: `python -m tests.golden.contract` writes them into contract/.

openapi.txt    every endpoint, its parameters, the members of its body and of the schemas
responses.txt  the members of what the GET endpoints answer, from a gateway on the golden state
metrics.txt    every metric with its kind and labels
settings.txt   every setting with its default
errors.txt     every status with its codes
"""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.gateway.asking import ask
from tests.gateway.fake_upstream import running_upstream
from tests.golden.programs import ADMIN_KEY, FOLDER, Programs, configuration, running
from tests.golden.story import label, say

CONTRACT = FOLDER / "contract"
REFERENCE = FOLDER.parents[1] / "docs" / "reference"
TASKS = ("/v1/tasks/sums", "/v1/tasks/rated", "/v1/tasks/pinned/policy", "/v1/tasks?details=true", "/v1/usage?by=key")
"""Beside the paths without parameters."""

ENDLESS = re.compile(r"stream|events|^/ui|^/metrics")
ROW = re.compile(r"^\| (`[^|]*) \|([^|]*)\|([^|]*)\|", re.MULTILINE)
SETTINGS = "GET /v1/config config."
"""Stand in settings.txt."""
LABEL = re.compile(r'(\w+)="')
STATUS_ROW = re.compile(r"^\| (\d+) \|([^|]*)\|", re.MULTILINE)


@contextmanager
def golden_gateway(folder: Path) -> Iterator[Programs]:
    """A gateway on a copy of the golden state, with requests of its own behind it."""
    shutil.copy(FOLDER / "state.sqlite", folder / "state.db")
    with running_upstream() as upstream:
        text = configuration(upstream.base_url, f"sqlite:///{folder}/state.db", folder)
        with running(folder, text) as programs:
            say(programs, "contract", "What is 3 plus 4?")
            label(programs)
            yield programs


def lines_of(programs: Programs) -> dict[str, list[str]]:
    """All of it, by the name of the file."""
    document = ask(programs.url, "/openapi.json").json
    return {
        "openapi.txt": sorted({*_endpoints(document), *_schemas(document)}),
        "responses.txt": sorted(set(_responses(programs, document))),
        "metrics.txt": sorted({*(" ".join(row).replace(",", "") for row in _rows("metrics.md")), *_samples(programs)}),
        "settings.txt": sorted(f"{name} = {default}" for name, _, default in _rows("settings.md")),
        "errors.txt": sorted(
            f"{status} {code}"
            for status, codes in STATUS_ROW.findall(_page("errors.md"))
            for code in re.findall(r"`(\w+)`", codes)
        ),
    }


def _endpoints(document: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method.upper()} {path}"
            yield where
            for one in operation.get("parameters", ()):
                yield f"{where} {one['in']} {one['name'].lower()}"
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            yield from (f"{where} body {name}" for name in body.get("properties", ()))
            if "$ref" in body:
                yield f"{where} body of {body['$ref'].rpartition('/')[2]}"


def _schemas(document: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        required = schema.get("required", ())
        for member in schema.get("properties", ()):
            yield f"schema {name} {member}{' (required)' if member in required else ''}"


def _responses(programs: Programs, document: Mapping[str, Any]) -> Iterator[str]:
    paths = [path for path, methods in document["paths"].items() if "get" in methods and "{" not in path]
    for path in [*(path for path in paths if not ENDLESS.search(path)), *TASKS]:
        answer = ask(programs.url, path, authorization=f"Bearer {ADMIN_KEY}")
        if answer.status == 200 and answer.headers["content-type"].startswith("application/json"):
            members = (f"GET {path} {member}" for member in _members(answer.json))
            yield from (member for member in members if not member.startswith(SETTINGS))


def _members(document: Any, place: str = "") -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield f"{place}.{name}".lstrip(".")
            yield from _members(value, f"{place}.{name}")
    elif isinstance(document, list):
        for one in document:
            yield from _members(one, f"{place}[]")


def _samples(programs: Programs) -> Iterator[str]:
    """The labels of the metrics that have values, without what is Prometheus' own."""
    told = ask(programs.url, "/metrics", authorization=f"Bearer {ADMIN_KEY}").body.decode()
    for line in told.splitlines():
        name, _, labels = line.rpartition(" ")[0].partition("{")
        if line[0] != "#" and not name.endswith(("_bucket", "_created", "_sum")):
            yield f"{name} labels: {' '.join(sorted(LABEL.findall(labels)))}"


def _rows(page: str) -> Iterator[tuple[str, str, str]]:
    """The first three columns of a reference page's tables, which a test of its own holds to the code."""
    for row in ROW.findall(_page(page)):
        name, second, third = (" ".join(cell.replace("`", "").split()) for cell in row)
        yield name, second, third


def _page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def golden_lines(name: str) -> list[str]:
    """What is promised."""
    return (CONTRACT / name).read_text(encoding="utf-8").splitlines()


def main() -> None:
    """Write what holds now."""
    CONTRACT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, golden_gateway(Path(folder)) as programs:
        for name, lines in lines_of(programs).items():
            (CONTRACT / name).write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
