"""Models of other kinds than chat: never candidates of a task; one of them answers embeddings with `auto`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import parse_config
from gateway.errors import ConfigError
from tests.gateway.asking import HELLO, Response, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import running_gateway

EMBED = {"model": "auto", "input": "words"}
MESSAGES = {"model": "vectors", "max_tokens": 5, "messages": []}


def settings(base_url: str, kinds: Mapping[str, str], **sections: Any) -> str:
    """Return a configuration whose models all answer as the upstream's `good`."""
    backends = [{"kind": "openai", "base_url": base_url, "model": "good"}]
    models = [{"name": name, "kind": kind, "backends": backends} for name, kind in kinds.items()]
    return yaml.safe_dump({"models": models, **sections})


def embed(url: str, **headers: str) -> Response:
    return ask(url, "/v1/embeddings", body=EMBED, **headers)


def state(folder: Path) -> dict[str, str]:
    return {"url": f"sqlite:///{folder}/state.db"}


def test_auto_means_the_only_embedding_model_and_chat_never_goes_there(upstream: Upstream, tmp_path: Path) -> None:
    kinds = {"vectors": "embedding", "words": "chat"}
    with running_gateway(settings(upstream.base_url, kinds, state=state(tmp_path))) as url:
        assert embed(url).ours("model") == "vectors"
        assert embed(url, x_task_id="anything").ours("model") == "vectors"
        assert ask(url, body=HELLO).ours("model") == "words"
        for path, body in (("/v1/chat/completions", {**HELLO, "model": "vectors"}), ("/v1/messages", MESSAGES)):
            refused = ask(url, path, body=body)
            error = refused.json["error"]
            assert (refused.status, error["code"]) == (400, "model_not_for_chat")
            assert "'vectors' is of kind embedding" in error["message"]
        assert ask(url, "/v1/embeddings", body={**EMBED, "model": "words"}).ours("model") == "words"


@pytest.mark.parametrize("kinds", [{"words": "chat"}, {"words": "chat", "a": "embedding", "b": "embedding"}])
def test_auto_without_one_embedding_model_says_what_to_set(
    upstream: Upstream, tmp_path: Path, kinds: dict[str, str]
) -> None:
    with running_gateway(settings(upstream.base_url, kinds, state=state(tmp_path))) as url:
        refused = embed(url)
        assert (refused.status, refused.error["code"]) == (400, "no_embedding_model")
        assert "routing.embedding_model" in refused.error["message"]


def test_the_tasks_embedding_model_goes_before_the_gateways(upstream: Upstream, tmp_path: Path) -> None:
    text = settings(
        upstream.base_url,
        {"words": "chat", "a": "embedding", "b": "embedding"},
        routing={"embedding_model": "a"},
        tasks={"search": {"embedding_model": "b"}},
        state=state(tmp_path),
    )
    with running_gateway(text) as url:
        assert [embed(url, x_task_id=task).ours("model") for task in ("search", "other")] == ["b", "a"]
        upstream.received.clear()
        assert ask(url, "/v1/embeddings", body={**EMBED, "model": "task/search"}).ours("model") == "b"
        assert json.loads(upstream.last.body) == {"model": "good", "input": "words"}


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        ({"tasks": {"t": {"pin": "vectors"}}}, "tasks.t.pin: model 'vectors' is of kind embedding"),
        ({"tasks": {"t": {"candidates": ["words", "vectors"]}}}, "tasks.t.candidates: model 'vectors' is of kind"),
        ({"tasks": {"t": {"embedding_model": "nobody"}}}, "tasks.t.embedding_model: unknown model 'nobody'"),
        ({"routing": {"embedding_model": "nobody"}}, "routing.embedding_model: unknown model 'nobody'"),
        ({"upstream": {"files_backend": "words"}}, "upstream.files_backend: unknown backend 'words'; did you"),
    ],
)
def test_settings_that_name_a_model_of_another_kind_are_refused(sections: dict[str, Any], fault: str) -> None:
    kinds = {"words": "chat", "vectors": "embedding"}
    with pytest.raises(ConfigError, match=fault):
        parse_config(settings("http://x/v1", kinds, **sections), "config.yaml", {})


def test_a_gateway_needs_a_model_for_chat() -> None:
    with pytest.raises(ConfigError, match="no model of kind chat"):
        parse_config(settings("http://x/v1", {"vectors": "embedding"}), "config.yaml", {})


def test_a_policy_of_a_running_gateway_keeps_to_the_kinds(upstream: Upstream, tmp_path: Path) -> None:
    kinds = {"words": "chat", "a": "embedding", "b": "embedding"}
    with running_gateway(settings(upstream.base_url, kinds, state=state(tmp_path))) as url:

        def put(**policy: object) -> Response:
            return ask(url, "/v1/tasks/search/policy", body=policy, method="PUT", content_type="application/json")

        refused = put(pin="a")
        assert (refused.status, "'a' is of kind embedding" in refused.error["message"]) == (400, True)
        assert "'nobody' is not a configured model" in put(embedding_model="nobody").error["message"]
        assert put(embedding_model="b").status == 200
        assert embed(url, x_task_id="search").ours("model") == "b"
        assert embed(url, x_task_id="other").status == 400
        kinds_shown = {one["id"]: one.get("benchroute", {}).get("kind") for one in ask(url, "/v1/models").json["data"]}
        assert kinds_shown == {"auto": None, **kinds}


def test_embeddings_leave_a_conversations_model_alone(upstream: Upstream, tmp_path: Path) -> None:
    """The session's model is the second one, since the first fails; without the session it would be tried again."""
    config = yaml.safe_load(settings(upstream.base_url, {"fails": "chat", "words": "chat", "vectors": "embedding"}))
    (backend,) = config["models"][0]["backends"]
    config["models"][0]["backends"] = [{**backend, "model": "e500"}]
    config |= {"state": state(tmp_path), "upstream": {"retries": 0}}
    with running_gateway(yaml.safe_dump(config)) as url:
        assert ask(url, body=HELLO, x_session_id="s").ours("attempts") == "2"
        assert embed(url, x_session_id="s").ours("model") == "vectors"
        kept = ask(url, body=HELLO, x_session_id="s")
        assert (kept.ours("model"), kept.ours("reason"), kept.ours("attempts")) == ("words", "session", "1")
