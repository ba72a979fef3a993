from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.fetch import get_json
from demo.processes import free_port, run_process


@pytest.fixture(scope="session")
def backend_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running demo backend, in a process of its own."""
    port, log = free_port(), Path(tmp_path_factory.mktemp("logs")) / "backend.log"
    with run_process("the backend", ["demo.backend", "127.0.0.1", str(port)], log, {}) as child:
        child.wait_until(lambda: get_json(port, "/v1/models") is not None, 20)
        yield port
