"""`bench run` and the evals need no PyTorch."""

import subprocess
import sys

import pytest

BLOCKED = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "sentence_transformers", "transformers"):
            raise ImportError(f"blocked: {name}")

sys.meta_path.insert(0, Block())
"""


@pytest.mark.parametrize(
    "code",
    [
        "import gateway.evals.run, gateway.evals.ask, gateway.evals.results, gateway.evals.marking",
        "import gateway.cli.evals, gateway.cli.benchmark",
        "from gateway.cli.app import app; app(['bench', 'run', '--help'], standalone_mode=False)",
    ],
)
def test_a_blocked_torch_is_not_missed(code: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", BLOCKED + code], capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stderr


def test_the_block_works() -> None:
    found = subprocess.run(
        [sys.executable, "-c", BLOCKED + "import torch"], capture_output=True, check=False, timeout=60
    )
    assert b"blocked: torch" in found.stderr
