"""The matrix client x feature: its comparison, its tables, and a client of the extra `dev` in it."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qa.conformance.checks import NotRun, Outcome
from qa.conformance.drivers.coding_agents import AGENTS, NO_HEADERS, Place
from qa.conformance.drivers.harness import Question
from qa.conformance.matrix import environments
from qa.conformance.matrix.cells import Cell, Missing, forwarded_body, name_differences
from qa.conformance.matrix.clients import CLIENTS, OPENAI, Client, Package
from qa.conformance.matrix.compare import differences
from qa.conformance.matrix.driver import Driver
from qa.conformance.matrix.environments import prepare_environment
from qa.conformance.matrix.features import FEATURES
from qa.conformance.matrix.run import PREFIX, run_matrix, select_clients
from qa.conformance.matrix.table import legend_table, matrix_table
from qa.conformance.servers import Exchange, Target, running_servers
from qa.conformance.upstream.agent_tools import SHELLS, WORD, called_tools

TOP = Path(__file__).parents[2]
CLIENT = Client("openai", OPENAI, "openai_sdk")
NAMED = {feature.name: feature for feature in FEATURES}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("matrix")
    with running_servers(folder, folder / "node") as target:
        yield target


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The program of openai for Python, in this interpreter's own environment."""
    folder = tmp_path_factory.mktemp("environment")
    program = folder / "bin" / "python"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    driver = Driver(CLIENT, folder, folder / "log")
    yield driver
    driver.close()


class CannedDriver(Driver):
    """Answers directly with one result and through the gateway with another."""

    def __init__(self, direct: dict[str, Any], gateway: dict[str, Any]) -> None:
        super().__init__(CLIENT, Path(), Path())
        self.results = {True: direct, False: gateway}

    def ask(self, question: Question) -> dict[str, Any]:
        return self.results[question.key == "sk-direct"]


@pytest.mark.parametrize(
    "name",
    [
        "chat",
        "usage in stream",
        "streamed tools",
        "structured output",
        "auto, task in a header",
        "auto, task in metadata",
        "cancel",
        "broken stream",
        "wrong key",
        "unknown model",
        "responses: streamed tools",
    ],
)
def test_a_real_client_sees_no_difference(target: Target, driver: Driver, name: str) -> None:
    assert Cell(CLIENT, NAMED[name], target).find_differences(driver) == []


def test_a_difference_of_the_results_is_named(target: Target) -> None:
    canned = CannedDriver({"seen": {"status": 429, "n": 1}}, {"seen": {"status": 502, "n": 1}})
    found = Cell(CLIENT, NAMED["chat"], target).find_differences(canned)
    assert found == ["seen.status: 429 directly, 502 through the gateway"]


def test_a_task_that_the_gateway_does_not_count_is_a_difference(target: Target) -> None:
    canned = CannedDriver({"seen": 1}, {"seen": 1})
    feature = replace(NAMED["auto, task in a header"], name="never sent")
    assert Cell(CLIENT, feature, target).find_differences(canned) == [
        "task: the gateway counts the request under another one"
    ]


def test_an_unexpected_direct_result_does_not_count_as_exact(target: Target) -> None:
    """Two equal failures would otherwise pass."""
    canned = CannedDriver({"raised": {"class": "TypeError"}}, {"raised": {"class": "TypeError"}})
    with pytest.raises(NotRun, match="in place of an answer"):
        Cell(CLIENT, NAMED["chat"], target).find_differences(canned)


def test_an_agent_that_says_nothing_directly_does_not_count_as_exact(target: Target) -> None:
    silent = {"seen": {"exit code": 0, "says": []}}
    with pytest.raises(NotRun, match="the tool has run"):
        Cell(CLIENT, NAMED["agent: tool"], target).find_differences(CannedDriver(silent, silent))


def test_an_operation_that_a_client_lacks_has_no_cell(target: Target, driver: Driver) -> None:
    with pytest.raises(Missing):
        Cell(CLIENT, NAMED["count tokens"], target).find_differences(driver)


def test_values_of_other_types_differ() -> None:
    assert list(differences({"a": 1}, {"a": True})) == ["a: 1 directly, True through the gateway"]
    assert list(differences({"a": None}, {})) == ["a: None directly, nothing through the gateway"]
    assert list(differences([1, 2], [1])) == [": 2 items directly, 1 through the gateway"]
    assert list(differences({"a": [{"b": 1.0}]}, {"a": [{"b": 1.0}]})) == []


def test_differences_beyond_the_first_are_counted() -> None:
    assert name_differences(["a", "b", "c", "d", "e"]) == "a; b; c; d; 1 more"


def test_what_a_gateway_changes_by_design_is_no_difference() -> None:
    sent = b'{"model":"m","stream_options":{"include_usage":true},"metadata":{"task_id":"t","kept":"yes"}}'
    exchange = Exchange("POST", "/v1/chat/completions", {}, sent, b"", "answered")
    assert forwarded_body(exchange) == {"model": "m", "metadata": {"kept": "yes"}}
    assert forwarded_body(exchange, keeps_model=False) == {"metadata": {"kept": "yes"}}


def test_every_feature_is_in_the_program_of_some_client() -> None:
    programs = (TOP / "qa" / "conformance" / "drivers").rglob("*")
    text = "".join(path.read_text() for path in programs if path.suffix in (".py", ".mjs"))
    assert [one.operation for one in FEATURES if f'"{one.operation}"' not in text] == []
    assert len({one.name for one in FEATURES}) == len(FEATURES)


def test_marks_do_not_contain_each_other(target: Target) -> None:
    marks = [Cell(client, feature, target).mark for client in CLIENTS for feature in FEATURES]
    assert len(set(marks)) == len(marks)
    assert not any(one != other and one in other for one in marks[:200] for other in marks[:200])


def test_every_package_has_a_version() -> None:
    assert [pin for client in CLIENTS for pin in client.packages.pins if not pin.rpartition("=")[2]] == []
    assert Package("x", "npm", ("@a/b@1.2.3",)).version == "@a/b 1.2.3"
    assert Package("x", "pypi", ("a-b[c,d]==1.2",)).version == "a-b 1.2"


def test_packages_that_cannot_be_installed_are_a_reason_not_a_crash(tmp_path: Path) -> None:
    packages = Package("none", "pypi", ("./no-such-folder==1",))
    with pytest.raises(NotRun, match="cannot be installed"):
        prepare_environment(tmp_path, packages)
    assert not (tmp_path / "none" / "installed.txt").exists()


def test_an_environment_with_these_versions_is_used_again(tmp_path: Path) -> None:
    packages = Package("there", "pypi", ("a==1",))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "installed.txt").write_text("a==1")
    assert prepare_environment(tmp_path, packages) == tmp_path / "there"


def test_the_matrix_has_a_sign_for_every_cell_and_a_version_for_every_client() -> None:
    cells = [Outcome(PREFIX + "openai", "chat", "", "", "", "passed", "exact")]
    cells.append(Outcome(PREFIX + "anthropic", "chat", "", "", "", "failed", "status"))
    columns = [list(column.cells) for column in matrix_table(cells).columns]
    assert [column[0] for column in columns] == ["chat", "=", "≠"]
    assert columns[1][1] == "·"
    legend = [list(column.cells) for column in legend_table(cells).columns]
    assert legend[2] == ["openai 3.57.0", "anthropic 2.14.0"]
    assert legend[3:5] == [["1", "0"], ["0", "1"]]


def test_a_client_of_an_unknown_name_is_refused_with_those_there_are(target: Target) -> None:
    with pytest.raises(ValueError, match=r"no client of the matrix: nobody; there are: openai, .*aider"):
        run_matrix(target, ["openai", "nobody"])


def test_a_fast_run_leaves_out_coding_agents() -> None:
    assert {client.name for client in set(CLIENTS) - set(select_clients(is_fast=True))} >= {"Codex CLI", "Claude Code"}
    assert select_clients(is_fast=False) == list(CLIENTS)


def test_an_agent_is_told_to_run_nothing_but_its_shell() -> None:
    """An answer that calls an agent's tools at random would write files and start programs."""
    tools: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in ("read", "write", "bash", "edit", "fetch")]
    assert called_tools({"model": "gpt-conformance"}, tools, False) == []
    ((name, arguments),) = called_tools({"model": "agent-tool"}, tools, False)
    assert name == "bash"
    assert WORD in arguments
    assert called_tools({"model": "agent-tool"}, tools, True) == []
    assert all("echo" in str(arguments) for arguments in SHELLS.values())


PAGES = {"claude-code": "claude-code", "codex": "codex", "cline": "cline", "continue": "continue"}
UNTOLD = {"AI_SDK_LOG_WARNINGS", "CONTINUE_TELEMETRY_ENABLED", "LITELLM_LOCAL_MODEL_COST_MAP"}
UNTOLD |= {"OPENCODE_DISABLE_MODELS_FETCH", "QWEN_TELEMETRY_ENABLED"}
"""Settings that only keep a run quiet."""


@pytest.mark.parametrize("agent", sorted(set(AGENTS) - {"cline"}))
def test_the_pages_of_agents_have_the_settings_that_ran(agent: str, tmp_path: Path) -> None:
    for name in ("claude", "codex", "cn", "opencode", "qwen", "aider"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).touch()
    place = Place(tmp_path, tmp_path / "home", tmp_path / "work")
    headers = {} if agent in NO_HEADERS else {"x-task-id": "t"}
    question = Question("agent", "http://127.0.0.1:8100/v1", "sk-key", "auto", "mark", headers, 0)
    _, environment = AGENTS[agent](question, place, "Say hello.")
    page = (TOP / "docs" / "clients" / f"{PAGES.get(agent, 'other-agents')}.md").read_text()
    assert [name for name in environment if name not in UNTOLD and name not in page] == []
    assert [name for name in headers if name not in page] == []


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_pages_name_the_versions_of_the_matrix(client: Client) -> None:
    text = "".join(path.read_text() for path in (TOP / "docs" / "clients").glob("*.md"))
    assert client.packages.version.rpartition(" ")[2] in text


def test_runs_at_the_same_time_install_a_client_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[Path] = []

    def install(folder: Path, packages: Package) -> None:
        (folder / "begun").touch()
        time.sleep(0.1)
        assert (folder / "begun").exists()  # another run would have removed it
        installed.append(folder)

    monkeypatch.setattr(environments, "_install", install)
    with ThreadPoolExecutor(3) as runs:
        folders = list(runs.map(lambda _: prepare_environment(tmp_path, Package("there", "pypi", ("a==1",))), range(3)))
    assert folders == [tmp_path / "there"] * 3
    assert installed == folders[:1]
