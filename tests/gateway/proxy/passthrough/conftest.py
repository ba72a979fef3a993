from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.api_upstream import ApiUpstream, running_api_upstream
from tests.gateway.serving import running_gateway

PRICE = {"input_usd_per_mtok": 1_000, "output_usd_per_mtok": 2_000}
MINE = {"authorization": "Bearer sk-mine"}
OTHERS = {"authorization": "Bearer sk-others"}


def settings(api: ApiUpstream, folder: Path, **sections: Any) -> str:
    """Return a configuration with a model of each kind, and two keys; `small` may not use the model `image`."""

    def model(name: str, kind: str, **about: Any) -> dict[str, Any]:
        backend = {"kind": "openai", "base_url": api.base_url, "model": f"up-{name}", "speaks_messages": True}
        return {"name": name, "kind": kind, "backends": [backend], **about}

    models = [
        model("words", "chat", price=PRICE),
        model("image", "image", price=PRICE),
        model("audio", "audio", price=PRICE),
        model("moderation", "moderation"),
        model("rerank", "rerank", price=PRICE),
    ]
    names = ("mine", "others", "small")
    keys = [{"name": name, "sha256": sha256(f"sk-{name}".encode()).hexdigest()} for name in names]
    keys[2]["models"] = ["words"]  # type: ignore[assignment]
    given: dict[str, Any] = {
        "models": models,
        "keys": keys,
        "state": {"url": f"sqlite:///{folder}/state.db"},
        "upstream": {"files_backend": "words/1", "retry_pause_s": 0.01},
    }
    return yaml.safe_dump({**given, **sections})


@pytest.fixture(scope="session")
def shared_api() -> Iterator[ApiUpstream]:
    with running_api_upstream() as running:
        yield running


@pytest.fixture
def api(shared_api: ApiUpstream) -> ApiUpstream:
    """The upstream, as it was at its start."""
    port = shared_api.port
    shared_api.__init__(port)  # type: ignore[misc]
    return shared_api


@pytest.fixture(scope="module", params=["express", "asgi"])
def passing(
    request: pytest.FixtureRequest, shared_api: ApiUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A gateway with a model of each kind, once for each entrance."""
    folder = Path(tmp_path_factory.mktemp("state"))
    server = {"lane": request.param, "max_upload_bytes": 200_000_000, "max_body_bytes": 1_000_000}
    with running_gateway(settings(shared_api, folder, server=server)) as url:
        yield url
