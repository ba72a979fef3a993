"""A pack that an earlier version wrote opens unchanged, carries its embedder, and decides the same."""

import json
import subprocess
import sys
from typing import Any

from tests.gateway.packs import inputs
from tests.golden.programs import PACK
from tests.golden.test_state import EXPECTED


def benchroute(*arguments: str, given: str = "") -> Any:
    """What the command prints as JSON."""
    command = [sys.executable, "-m", "gateway.cli", *arguments, "--json"]
    found = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_every_byte_of_it_is_accepted_with_its_embedder() -> None:
    assert benchroute("pack", "verify", str(PACK), "--embedder-check")


def test_it_says_what_it_is() -> None:
    shown = benchroute("pack", "inspect", str(PACK))
    assert shown["hash"] == json.loads((PACK / "manifest.json").read_text())["hash"]
    assert [model["name"] for model in shown["models"]] == ["good", "other", "slow"]
    assert shown["n_inputs"] == 80


def test_new_inputs_are_decided_as_when_it_was_built() -> None:
    expected = EXPECTED["sqlite"]["reading"]["dry run"]
    found = benchroute("route", "--pack", str(PACK), given="\n".join(inputs("rivers", 6, seed=10)))
    scores = {one["model"]: one["s3"] for one in found["scores"]}
    assert found["decision"]["model"] == expected["decision"]["model"]
    for one in expected["scores"]:
        assert abs(scores[one["model"]] - one["s3"]) < 1e-6
