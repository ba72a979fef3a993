"""The pack is built by the product's own command, and a failure of it is the demo's failure."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from demo import benchmark
from demo.errors import DemoError
from demo.prepare import Places, best_on_average, prepare_pack
from demo.processes import free_port
from demo.run import serve_demo


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Places with the stamp of a benchmark that is current, but without the benchmark itself."""
    places = Places(tmp_path)
    places.benchmark.mkdir()
    (places.benchmark / benchmark.STAMP).write_text(json.dumps({"code": benchmark.code_key()}))
    return places


def test_a_pack_that_cannot_be_built_ends_the_demo(places: Places) -> None:
    with pytest.raises(DemoError, match="building the pack failed with exit code"):
        prepare_pack(places, free_port(), Console(file=io.StringIO()))
    assert not places.pack_stamp.exists()


def test_the_best_model_on_average_is_the_first_that_the_manifest_names(places: Places) -> None:
    places.pack.mkdir()
    (places.pack / "manifest.json").write_text('{"on_average": ["first", "second"]}')
    assert best_on_average(places.pack) == "first"


def test_serving_on_a_port_that_is_taken_is_refused(backend_port: int, tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=f"port {backend_port} is in use"):
        serve_demo(tmp_path, tmp_path / "config.yaml", backend_port)
