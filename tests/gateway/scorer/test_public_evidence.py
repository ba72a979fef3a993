"""A gateway on the shipped pack: decisions and explanations name the configured models."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import parse_config
from gateway.errors import ConfigError
from gateway.tasks.resolved_config import resolve_config
from tests.gateway.asking import HELLO, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import running_gateway
from tests.gateway.waiting import eventually

EVIDENCE = {"fast": "gpt-4o-mini", "careful": "o3-mini", "claude-sonnet-4": None, "own": None}


def text(base_url: str, state: Path, models: dict[str, str | None], **sections: Any) -> str:
    backend = {"kind": "openai", "base_url": base_url, "model": "good"}
    listed = [
        {"name": name, "backends": [backend], **({"evidence": evidence} if evidence else {})}
        for name, evidence in models.items()
    ]
    return yaml.safe_dump(
        {
            "models": listed,
            "routing": {"pack": "public"},
            "state": {"url": f"sqlite:///{state}"},
            "scorer": {"nice": 0},
            **sections,
        }
    )


def test_a_task_is_decided_and_explained_by_configured_names(upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(text(upstream.base_url, tmp_path / "state.db", EVIDENCE)) as url:
        eventually(lambda: ask(url, "/health/ready").json["scorer"] == "ready", 40)
        for number in range(3):
            body = {**HELLO, "messages": [{"role": "user", "content": f"How many legs have {number + 2} spiders?"}]}
            assert ask(url, "/v1/chat/completions", body, **{"x-task-id": "legs"}).status == 200
        eventually(lambda: ask(url, "/v1/tasks/legs").json.get("n") == 3)
        shown = ask(url, "/v1/tasks/legs").json
        packs = ask(url, "/v1/packs").json
        route = ask(url, "/v1/route", {"inputs": ["How many?"]}, content_type="application/json").json
        models = ask(url, "/v1/models").json["data"]
        pack = ask(url, "/v1/packs/public.tar").json
        (listed,) = ask(url, "/v1/tasks?details=true").json["data"]
    matches = {one["id"]: one["benchroute"]["evidence"] for one in models if one["id"] != "auto"}
    assert {name: one["match"] for name, one in matches.items()} == {
        "fast": "configured",
        "careful": "configured",
        "claude-sonnet-4": "another version",
        "own": "none",
    }
    assert matches["fast"] == {
        "name": "gpt-4o-mini-2024-07-18",
        "version": "2024-07-18",
        "match": "configured",
        "reason": None,
    }
    assert matches["own"]["reason"] == "the pack has no outcomes of this model"
    assert pack["evidence"] == shown["evidence"] == matches
    assert route["evidence"] == {name: matches[name] for name in route["decision"]["ranking"]}
    assert listed["evidence"] == {listed["decision"]["model"]: matches[listed["decision"]["model"]]}
    named = {row["model"] for row in shown["scores"]}
    assert named == {"fast", "careful", "claude-sonnet-4"}
    assert shown["decision"]["model"] in named
    assert packs["active"] == "public.tar"


def test_evidence_that_the_pack_does_not_have_is_refused(tmp_path: Path) -> None:
    config = parse_config(text("http://127.0.0.1:9/v1", tmp_path / "s.db", {"own": "nothing-such"}), "c", {})
    with pytest.raises(ConfigError, match="model own: evidence names nothing-such, which is not among the pack's 217"):
        resolve_config(config)


def test_resolving_tells_whose_outcomes_each_model_has(tmp_path: Path) -> None:
    resolved = resolve_config(parse_config(text("http://127.0.0.1:9/v1", tmp_path / "s.db", EVIDENCE), "c", {}))
    assert {match.model: match.evidence for match in resolved.evidence} == {
        "fast": "gpt-4o-mini-2024-07-18",
        "careful": "o3-mini-2025-01-31",
        "claude-sonnet-4": "claude-sonnet-4-2025-05-14",
        "own": None,
    }
    assert resolved.manifest is not None
    assert {"fast", "careful", "claude-sonnet-4"} <= set(resolved.manifest.model_names)
