"""Children are ended with the block that started them, and their failures are explained."""

import os
from pathlib import Path

import pytest

from demo.errors import ChildEnded, NotReady, RequestFailed
from demo.fetch import get_json
from demo.processes import free_port, is_port_free, run_process


def test_a_child_that_fails_is_reported_with_the_tail_of_its_log(tmp_path: Path) -> None:
    with (
        run_process("the child", ["no_such_module_anywhere"], tmp_path / "logs" / "child.log", {}) as child,
        pytest.raises(ChildEnded, match=r"the child ended with exit code 1(.|\n)*no_such_module_anywhere"),
    ):
        child.wait_until(lambda: False, 30)


def test_a_child_that_does_not_answer_in_time_is_reported(tmp_path: Path) -> None:
    with (
        run_process("the server", ["http.server", str(free_port())], tmp_path / "log", {}) as child,
        pytest.raises(NotReady, match=r"the server does not answer after 0\.2 s"),
    ):
        child.wait_until(lambda: False, 0.2)


def test_a_child_gets_its_environment_and_ends_with_the_block(tmp_path: Path) -> None:
    code = "import os, sys, time; print(os.getpid(), os.environ['FLAVOUR'], flush=True); time.sleep(600)"
    (tmp_path / "waits.py").write_text(code)
    log, environment = tmp_path / "log", {"FLAVOUR": "lemon", "PYTHONPATH": str(tmp_path)}
    with run_process("the child", ["waits"], log, environment) as child:
        child.wait_until(lambda: log.read_text().endswith("\n"), 30)
        pid, flavour = log.read_text().split()
    assert flavour == "lemon"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_a_child_ends_when_the_block_fails(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError),
        run_process("a", ["http.server", str(free_port())], tmp_path / "log", {}) as child,
    ):
        raise RuntimeError
    with pytest.raises(ChildEnded):
        child.check()


def test_nobody_listening_is_a_wrong_answer() -> None:
    with pytest.raises(RequestFailed, match="GET /x"):
        get_json(free_port(), "/x")


def test_json_is_fetched_and_404_is_none(backend_port: int) -> None:
    assert (get_json(backend_port, "/v1/models") or {})["object"] == "list"
    assert get_json(backend_port, "/v1/nothing") is None


def test_a_port_with_a_listener_is_not_free(backend_port: int) -> None:
    assert is_port_free(free_port())
    assert not is_port_free(backend_port)
