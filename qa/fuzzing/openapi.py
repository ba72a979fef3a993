"""Schemathesis over the gateway's OpenAPI document, with a client's key and with an admin's.

Checked is what must hold for every response: no 5xx; status, content type and body as documented. Not checked is that
exactly what fits the schema is accepted: the rules for task IDs and keys are stricter than the schema, and most of a
body is for the backend to validate.
"""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qa.fuzzing.servers import ADMIN, CLIENT, Target

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
)
LIMIT_S = 1800
LINES, WIDTH = 200, 400


def explore_openapi(target: Target, examples: int, seed: int) -> dict[str, Any]:
    """Run both. examples: per operation. Raises PackageNotFoundError without Schemathesis."""
    found = version("schemathesis")
    runs = {who: _run(target, who, key, examples, seed) for who, key in (("client", CLIENT), ("admin", ADMIN))}
    return {"schemathesis": found, "checks": CHECKS, **runs}


def _run(target: Target, who: str, key: str, examples: int, seed: int) -> dict[str, Any]:
    report = target.work / f"schemathesis-{who}.json"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"http://127.0.0.1:{target.port}/openapi.json"),
        *("-H", f"Authorization: Bearer {key}", "--checks", ",".join(CHECKS), "--workers", "2", "--no-color"),
        *("--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure", "--warnings", "off"),
        *("--report-json-path", str(report), "--request-timeout", "60"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S, cwd=target.work)
    document = json.loads(report.read_text()) if report.exists() else {}
    return {
        "exit_code": done.returncode,
        "report": document,
        "output": [line[:WIDTH] for line in done.stdout.splitlines()][-LINES:],
    }
