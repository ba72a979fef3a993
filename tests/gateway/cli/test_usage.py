"""`benchroute usage`: what the charts show, as a table, JSON and CSV."""

import csv
import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.gateway.asking import ask, chat
from tests.gateway.cli.conftest import run_command
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway
from tests.gateway.waiting import eventually


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway with three requests of one task, one of another, one that was rejected, and one error."""
    state = {"url": f"sqlite:///{tmp_path_factory.mktemp('usage')}/state.db"}
    text = configuration(shared_upstream.base_url, ["good", "e500"], state=state, upstream={"retries": 0})
    with running_gateway(text) as address:
        for task in ("support", "support", "support", "sums"):
            chat(address, "good", task=task)
        chat(address, "unknown-model", task="sums")
        chat(address, "e500", task="sums")
        eventually(lambda: ask(address, "/v1/activity").json["total"]["requests"] == 6)
        yield address


def usage(url: str, *options: str) -> str:
    done = run_command("usage", "--url", url, *options)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(("by", "step"), [("hour", "1h"), ("day", "1d")])
def test_rows_over_time_are_the_charts_own(url: str, by: str, step: str) -> None:
    found = json.loads(usage(url, "--by", by, "--range", "24h", "--json"))
    chart = ask(url, f"/v1/activity?{urlencode({'range': '24h', 'step': step})}").json
    assert (found["data"], found["total"], found["from"]) == (chart["data"], chart["total"], chart["from"])
    assert (found["total"]["requests"], found["total"]["errors"], found["total"]["rejected"]) == (6, 1, 1)


def test_rows_by_name_come_with_most_requests_first(url: str) -> None:
    expected_by: dict[str, list[tuple[str, int]]] = {
        "task": [("sums", 3), ("support", 3)],
        "model": [("good", 4), ("e500", 1)],
        # The client got this backend's error: it is one request there, not one and a failed attempt.
        "backend": [("good/1", 4), ("e500/1", 1)],
    }
    for by, expected in expected_by.items():
        found = json.loads(usage(url, "--by", by, "--json"))
        assert [(row[by], row["requests"]) for row in found["data"]] == expected
        assert found["total"]["requests"] == 6


def test_one_series_as_a_table_and_as_csv(url: str) -> None:
    rows = list(csv.DictReader(usage(url, "--task", "sums", "--range", "1h", "--csv").splitlines()))
    assert sum(int(row["requests"]) for row in rows) == 3
    assert sum(int(row["rejected"]) for row in rows) == 1
    assert all(row["cost_usd"] == "" for row in rows)  # no price is known, which is not 0
    table = usage(url, "--model", "good")
    assert "total" in table
    assert "overhead p50, ms" in table


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--json", "--csv"], "--json and --csv"),
        (["--until", "2026-01-01"], "--until needs --since"),
        (["--since", "2026-01-01", "--range", "1h"], "--range and --since"),
        (["--task", "a", "--model", "b"], "expected one of --task"),
        (["--task", "a", "--by", "model"], "expected one of --task"),
        (["--since", "yesterday"], "from 'yesterday'"),
        (["--by", "hour", "--range", "90d"], "steps"),
        (["--model", "unknown"], "Unknown model"),
    ],
)
def test_what_cannot_be_shown_is_one_line(url: str, options: list[str], said: str) -> None:
    done = run_command("usage", "--url", url, *options)
    assert done.exit_code != 0
    assert said in done.output
