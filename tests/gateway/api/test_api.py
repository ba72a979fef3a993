"""A gateway with a pack and its real scorer, as a client and an operator see it."""

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.errors import ConfigError, PackRejected
from tests.gateway.asking import HELLO, Response, ask, chat
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import Serving, configuration, running_gateway, serving_gateway
from tests.gateway.waiting import eventually

MODELS = ["good", "other", "slow"]
TASKS = {
    "pinned": {"pin": "slow"},
    "few": {"candidates": ["other", "slow"]},
    "shadow": {"shadow": True, "input": "$.metadata.ticket", "score": "s1"},
}
JSON = {"content_type": "application/json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("gateway"))


@pytest.fixture(scope="module")
def pack(good_pack: Path, folder: Path) -> Path:
    """A copy that a test may alter."""
    return Path(shutil.copytree(good_pack, folder / "pack"))


@pytest.fixture(scope="module")
def text(shared_upstream: Upstream, pack: Path, folder: Path) -> str:
    return configuration(
        shared_upstream.base_url,
        MODELS,
        tasks=TASKS,
        routing={"pack": str(pack), "score": "s3"},
        state={"url": f"sqlite:///{folder}/state.db"},
        upstream={"retries": 0},
    )


@pytest.fixture(scope="module")
def serving(text: str) -> Iterator[Serving]:
    with serving_gateway(text) as running:
        assert ask(running.url, "/health/ready").json["scorer"] in {"starting", "ready"}
        eventually(lambda: is_ready(running.url), 40)
        yield running


@pytest.fixture
def url(serving: Serving, upstream: Upstream) -> str:
    eventually(lambda: is_ready(serving.url), 40)
    return serving.url


def is_ready(url: str) -> bool:
    return bool(ask(url, "/health/ready").json["scorer"] == "ready")


def send(url: str, task: str, texts: list[str]) -> list[Response]:
    """Sends inputs one by one, each after the one before has been scored."""
    answers = []
    for place, text in enumerate(texts, 1):
        answers.append(chat(url, task=task, messages=[{"role": "user", "content": text}]))
        caught_up(url, task, place)
    return answers


def caught_up(url: str, task: str, n: int) -> None:
    """Waits until n inputs of the task have been scored."""
    eventually(lambda: account(url, task).get("n", 0) >= n)


def answered_without_router(url: str, task: str) -> list[Response]:
    """One answer, if it says that the router is unavailable."""
    answer = chat(url, task=task)
    return [answer] if answer.ours("reason") == "router-unavailable" else []


def account(url: str, task: str) -> dict[str, Any]:
    found: dict[str, Any] = ask(url, f"/v1/tasks/{task}").json
    return found


def test_a_task_in_the_shadow_stays_where_it_is_and_tells_where_it_would_go(url: str) -> None:
    """Its inputs are read by a JSONPath, and S1 leads."""
    for place, ticket in enumerate(inputs("capitals", 12, seed=5), 1):
        last = chat(url, task="shadow", metadata={"ticket": ticket})
        caught_up(url, "shadow", place)
    told = account(url, "shadow")
    stays, would = last.ours("model"), told["scored"]["model"]
    assert (last.ours("reason"), stays != would) == ("shadow", True)
    assert last.headers["x-benchroute-shadow-model"] == would == "other"
    assert told["decision"]["model"] == stays
    assert told["scored"]["score"] == "s1"
    assert (
        f'benchroute_shadow_requests_total{{model="{stays}",shadow_model="other"}}'
        in ask(url, "/metrics").body.decode()
    )


def test_a_new_task_moves_to_the_model_that_is_right_for_it(url: str) -> None:
    answers = send(url, "team/sums:1", inputs("sums", 12, seed=3))
    assert [answer.status for answer in answers] == [200] * 12
    first, last = answers[0], answers[-1]
    assert (first.ours("reason"), first.ours("decision")) == ("cold-start", "0")
    assert (last.ours("model"), last.ours("reason"), last.ours("task")) == ("good", "score", "team/sums:1")
    told = account(url, "team/sums:1")
    assert (told["id"], told["n"], told["decision"]["model"]) == ("team/sums:1", 12, "good")
    assert told["decision"]["reason"] in {"score", "best-on-average"}
    assert "good" in told["decision"]["why"]
    assert {one["model"] for one in told["scores"]} == set(MODELS)
    assert all(set(one) == {"model", "s1", "s2", "s3", "p", "n"} for one in told["scores"])
    assert told["nearest_datasets"][0]["dataset"] == "sums"
    assert 0 < told["u"] < 1
    assert [turn["version"] for turn in told["history"]] == list(range(1, len(told["history"]) + 1))
    listed = ask(url, "/v1/tasks").json
    assert "team/sums:1" in [task["id"] for task in listed["data"]]


def test_tasks_are_listed_page_by_page(url: str) -> None:
    for name in ("page-a", "page-b", "page-c"):
        ask(url, f"/v1/tasks/{name}/inputs", {"inputs": ["What is 1 plus 2?"]}, **JSON)
    first = ask(url, "/v1/tasks?after=page&limit=2").json
    assert ([task["id"] for task in first["data"]], first["has_more"]) == (["page-a", "page-b"], True)
    assert ask(url, "/v1/tasks?after=page-b&limit=1").json["data"][0]["id"] == "page-c"
    assert ask(url, "/v1/tasks?limit=0").status == 400


def test_a_task_can_be_seeded_before_its_first_call(url: str) -> None:
    texts: list[Any] = [*inputs("capitals", 11, seed=3), {"messages": [{"role": "user", "content": "Which city?"}]}]
    told = ask(url, "/v1/tasks/seeded/inputs", {"inputs": texts}, **JSON).json
    assert (told["n"], told["added"], told["decision"]["model"]) == (12, 12, "other")
    assert chat(url, task="seeded").ours("model") == "other"


def test_a_deleted_task_starts_cold_again(url: str) -> None:
    ask(url, "/v1/tasks/gone/inputs", {"inputs": inputs("capitals", 12)}, **JSON)
    assert ask(url, "/v1/tasks/gone", method="DELETE").json == {
        "object": "task.deleted",
        "id": "gone",
        "deleted": True,
    }
    assert ask(url, "/v1/tasks/gone").status == 404
    assert ask(url, "/v1/tasks/gone", method="DELETE").status == 404
    assert chat(url, task="gone").ours("reason") == "cold-start"


def test_a_dry_run_decides_and_keeps_nothing(url: str) -> None:
    told = ask(url, "/v1/route", {"inputs": inputs("capitals", 12)}, **JSON).json
    assert (told["decision"]["model"], told["n"]) == ("other", 12)
    few = ask(url, "/v1/route", {"inputs": inputs("sums", 12), "task": "few"}, **JSON).json
    assert few["decision"]["model"] in {"other", "slow"}
    one = ask(url, "/v1/route", {"inputs": ["x"], "candidates": ["slow"]}, **JSON).json
    assert one["decision"]["ranking"] == ["slow"]
    unknown = ask(url, "/v1/route", {"inputs": ["x"], "candidates": ["gpt-4"]}, **JSON)
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")


def test_half_a_surrogate_pair_can_be_scored(url: str) -> None:
    body = rb'{"inputs": [{"messages": [{"role": "user", "content": "cut \ud83d"}]}]}'
    assert ask(url, "/v1/route", body, **JSON).status == 200
    assert ask(url, "/v1/route", rb'{"inputs": ["cut \ud83d"]}', **JSON).status in {200, 400}
    chat_body = rb'{"model":"auto","messages":[{"role":"user","content":"cut \ud83d"}]}'
    assert ask(url, body=chat_body, x_task_id="surrogate").status == 200
    eventually(lambda: account(url, "surrogate").get("n") == 1)


def test_a_pin_is_followed_and_what_would_have_been_chosen_is_shown(url: str) -> None:
    ask(url, "/v1/tasks/pinned/inputs", {"inputs": inputs("capitals", 12)}, **JSON)
    answer = chat(url, task="pinned")
    assert (answer.ours("model"), answer.ours("reason")) == ("slow", "pinned")
    told = account(url, "pinned")
    assert (told["decision"]["model"], told["scored"]["model"]) == ("slow", "other")


def test_a_configured_task_is_known_before_its_first_input(url: str) -> None:
    told = account(url, "few")
    assert told["decision"]["model"] in {"other", "slow"}
    assert ask(url, "/v1/tasks/never-heard-of").status == 404


def test_a_call_to_a_named_model_counts_only_if_it_is_tagged(url: str) -> None:
    chat(url, "good", "tagged-and-named")
    eventually(lambda: account(url, "tagged-and-named").get("n") == 1)
    before = account(url, "default").get("n", 0)
    chat(url, "good")
    chat(url, "good", "tagged-and-named")  # observations are scored in their order
    eventually(lambda: account(url, "tagged-and-named").get("n") == 2)
    assert account(url, "default").get("n", 0) == before


def test_a_request_of_images_alone_is_routed_and_not_scored(url: str) -> None:
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
    assert chat(url, task="pictures", messages=picture).status == 200
    chat(url, task="pictures")
    eventually(lambda: account(url, "pictures").get("n") == 1)


def test_figures_are_told(url: str) -> None:
    told = ask(url, "/metrics").body.decode()
    for line in ("benchroute_scorer_ready 1.0", "benchroute_observations_total ", "benchroute_scorer_restarts_total "):
        assert line in told
    paths = ask(url, "/openapi.json").json["paths"]
    assert {"/v1/models", "/v1/tasks", "/v1/route", "/health/ready"} <= set(paths)


def test_decisions_are_told_as_they_come(url: str) -> None:
    before = ask(url, "/v1/decisions").json["last"]
    send(url, "watched", inputs("capitals", 3, seed=9))
    told = ask(url, f"/v1/decisions?after={before}&wait_s=5").json
    assert [(made["task"], made["number"]) for made in told["data"]] == [("watched", before + n) for n in (1, 2, 3)]
    first = told["data"][0]
    assert (first["before"], first["n"], first["version"]) == (None, 1, 1)
    changes = ask(url, f"/v1/decisions?after={before}&changes=true").json["data"]
    assert changes[0] == first
    assert ask(url, f"/v1/decisions?after={told['last']}").json["data"] == []
    assert ask(url, "/v1/decisions?wait_s=60").status == 400
    figures = ask(url, "/metrics").body.decode()
    assert 'benchroute_task_requests_total{model="' in figures
    assert "benchroute_decision_changes_total " in figures
    assert 'benchroute_pack_info{embedder="' in figures


def test_a_pack_that_was_altered_changes_nothing(url: str, serving: Serving, pack: Path, text: str) -> None:
    original = (pack / "outcomes.npy").read_bytes()
    (pack / "outcomes.npy").write_bytes(original[:-1] + b"\x55")
    with pytest.raises(PackRejected, match=r"outcomes\.npy"):
        serving.reload(text)
    assert ask(url, "/v1/route", {"inputs": ["What is 1 plus 2?"]}, **JSON).status == 200
    manifest = (pack / "manifest.json").read_text()
    (pack / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"routing\.pack"):
        serving.reload(text)
    assert chat(url, task="t").status == 200
    (pack / "outcomes.npy").write_bytes(original)
    (pack / "manifest.json").write_text(manifest)
    serving.reload(text)
    assert is_ready(url)


def test_another_configuration_is_taken_over_while_requests_go_on(url: str, serving: Serving, text: str) -> None:
    ask(url, "/v1/tasks/moving/inputs", {"inputs": inputs("capitals", 12)}, **JSON)
    assert chat(url, task="moving").ours("model") == "other"
    document = yaml.safe_load(text)
    document["tasks"]["moving"] = {"candidates": ["good", "slow"]}
    document["models"][2]["price"] = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}
    serving.reload(yaml.safe_dump(document))
    assert chat(url, task="moving").ours("model") in {"good", "slow"}
    assert ask(url, "/v1/models/slow").json["benchroute"]["price"]
    eventually(lambda: account(url, "moving")["n"] > 12)
    assert account(url, "moving")["decision"]["model"] in {"good", "slow"}
    with pytest.raises(ConfigError, match=r"state\.url: cannot be changed by a reload"):
        serving.reload(text.replace("state.db", "other.db"))
    serving.reload(text)
    assert "moving" not in yaml.safe_load(text)["tasks"]


def test_requests_go_on_while_the_scorer_is_dead(url: str, serving: Serving) -> None:
    ask(url, "/v1/tasks/survivor/inputs", {"inputs": inputs("capitals", 12)}, **JSON)
    assert chat(url, task="survivor").ours("reason") == "score"
    assert serving.scorer_pid is not None
    os.kill(serving.scorer_pid, signal.SIGKILL)
    (down,) = eventually(lambda: answered_without_router(url, "survivor"))
    assert (down.status, down.ours("model")) == (200, "other")
    assert chat(url, task="fresh").ours("reason") == "router-unavailable"
    refused = ask(url, "/v1/route", {"inputs": ["x"]}, **JSON)
    assert (refused.status, refused.error["code"]) == (503, "scorer_unavailable")
    eventually(lambda: is_ready(url), 40)
    assert chat(url, task="survivor").ours("reason") == "score"


def test_after_a_restart_decisions_hold_at_once_and_sums_go_on(url: str, text: str, folder: Path) -> None:
    told = ask(url, "/v1/tasks/survivor2/inputs", {"inputs": inputs("capitals", 12)}, **JSON).json
    # Of the state as it is now: the file itself is the first gateway's.
    with closing(sqlite3.connect(folder / "state.db")) as state, closing(sqlite3.connect(folder / "copy.db")) as copied:
        state.backup(copied)
    with running_gateway(text.replace("state.db", "copy.db")) as again:
        answer = chat(again, task="survivor2")
        assert (answer.ours("model"), answer.ours("decision")) == ("other", str(told["decision"]["version"]))
        eventually(lambda: account(again, "survivor2")["n"] == 13, 40)


def test_without_a_pack_the_first_model_answers_and_says_why(gateway: str, upstream: Upstream) -> None:
    assert ask(gateway, "/health/ready").json["scorer"] == "none"
    answer = chat(gateway, task="t")
    assert (answer.ours("model"), answer.ours("reason")) == ("good", "no-pack")
    for path in ("/v1/route", "/v1/tasks/t/inputs"):
        refused = ask(gateway, path, {"inputs": ["x"]}, **JSON)
        assert (refused.status, refused.error["code"]) == (503, "scorer_unavailable")
    assert json.loads(upstream.last.body) == {**HELLO, "model": "good"}


def test_the_document_describes_the_request_path_too_and_errors_as_they_are(url: str) -> None:
    document = ask(url, "/openapi.json").json
    chat = document["paths"]["/v1/chat/completions"]["post"]
    assert chat["requestBody"]["content"]["application/json"]["schema"]["required"] == ["model"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all("422" not in operation["responses"] for operation in operations)
    assert all(operation["responses"]["default"]["content"] for operation in operations)
    assert set(document["components"]["schemas"]["Error"]["properties"]["error"]["required"]) == set(
        ask(url, "/v1/nothing").error
    )
