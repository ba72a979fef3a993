"""What others rely on is only added to. Whoever means to change more runs `python -m tests.golden.contract`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.golden.contract import CONTRACT, golden_gateway, golden_lines, lines_of

FILES = sorted(path.name for path in CONTRACT.iterdir())


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[str]]:
    with golden_gateway(Path(tmp_path_factory.mktemp("contract"))) as programs:
        return lines_of(programs)


def test_every_file_is_compared(lines: Mapping[str, Sequence[str]]) -> None:
    assert sorted(lines) == FILES


@pytest.mark.parametrize("name", FILES)
def test_nothing_that_was_promised_is_gone(lines: Mapping[str, Sequence[str]], name: str) -> None:
    gone = [line for line in golden_lines(name) if line not in lines[name]]
    assert not gone, f"{name} promised these; if they are meant to go, run `python -m tests.golden.contract`:\n" + (
        "\n".join(gone)
    )
