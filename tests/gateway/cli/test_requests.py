"""`benchroute requests` against a running gateway."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.asking import chat
from tests.gateway.cli.conftest import run_command
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = {"url": f"sqlite:///{tmp_path_factory.mktemp('log')}/state.db"}
    tasks = {"failing": {"candidates": ["e500", "good"], "pin": "e500"}}
    text = configuration(shared_upstream.base_url, ["good", "e500"], state=state, tasks=tasks, upstream={"retries": 0})
    with running_gateway(text) as address:
        yield address


def test_requests_are_listed_shown_followed_and_exported(url: str, tmp_path: Path) -> None:
    sent = [chat(url, task=task).headers["x-request-id"] for task in ("failing", "listed", "listed")]
    listed = run_command("requests", "list", "--url", url, "--task", "listed", "--json")
    assert [json.loads(line)["id"] for line in listed.output.splitlines()] == [sent[2], sent[1]]
    table = run_command("requests", "list", "--url", url, "--limit", 2).output
    assert sent[2] in table
    assert sent[0] not in table

    shown = run_command("requests", "show", sent[0], "--url", url).output
    for text in (
        sent[0],
        "failing",
        "e500/1: answered 500",
        "Read the request",
        "Pause" if "Pause" in shown else "good",
    ):
        assert text in shown
    assert json.loads(run_command("requests", "show", sent[0], "--url", url, "--json").output)["id"] == sent[0]

    tailed = run_command("requests", "tail", "--url", url, "--last", 3, "--limit", 3).output
    assert [line.split()[2] for line in tailed.splitlines()] == sent
    assert "e500/1 answered 500" in tailed.splitlines()[0]

    for format_, read in (("csv", csv.DictReader), ("json", None)):
        path = tmp_path / f"requests.{format_}"
        assert run_command("requests", "export", "--url", url, "-o", path, "--format", format_).exit_code == 0
        text = path.read_text()
        rows = list(read(text.splitlines())) if read is not None else json.loads(text)["data"]
        assert [row["id"] for row in rows] == sent[::-1]


def test_an_export_has_bodies_only_on_request_and_where_they_are_stored(
    shared_upstream: Upstream, tmp_path: Path
) -> None:
    state, path = {"url": f"sqlite:///{tmp_path}/state.db"}, tmp_path / "requests.json"
    with running_gateway(configuration(shared_upstream.base_url, ["good"], state=state, log={"bodies": True})) as url:
        chat(url, task="with-text")
        for option, answers in ((["--bodies"], ["hello"]), ([], [])):
            made = run_command("requests", "export", "--url", url, "-o", path, "--format", "json", *option)
            assert made.exit_code == 0, made.output
            texts = [row["answer"]["text"] for row in json.loads(path.read_text())["data"] if "answer" in row]
            assert [json.loads(text)["choices"][0]["message"]["content"] for text in texts] == answers


def test_what_is_not_there_or_refused_is_one_line(url: str, tmp_path: Path) -> None:
    unknown = run_command("requests", "show", "req_unknown", "--url", url)
    assert unknown.exit_code != 0
    assert "is not in the log" in unknown.output
    path = tmp_path / "requests.csv"
    refused = run_command("requests", "export", "--url", url, "-o", path, "--status", "strange")
    assert refused.exit_code != 0
    assert "status" in refused.output
    assert not path.exists()
