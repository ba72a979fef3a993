from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from routing.embedder import SentenceTransformerEmbedder
from tests.gateway.fake_upstream import BEHAVIOURS, Upstream, running_upstream
from tests.gateway.packs import carrying_pack
from tests.gateway.serving import configuration, running_gateway
from tests.workers import make_once

UPSTREAM = {"retries": 0, "breaker": {"consecutive_faults": 1000, "min_requests": 10_000}}
"""No retries and no breakers, whose tests have gateways of their own."""

STALLING = {"stalls": {"first_byte_s": 0.6}, "stalls-in-stream": {"between_chunks_s": 0.4}}
"""Timeouts of the models that never go on, and of no others: an answer that a busy machine delays is not a fault."""


@pytest.fixture(scope="session")
def embedder() -> SentenceTransformerEmbedder:
    """The real embedder; loading takes seconds."""
    return SentenceTransformerEmbedder()


@pytest.fixture(scope="session")
def good_pack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack whose models are behaviours of the upstream: `good` is right on sums, `other` on capitals, `slow` on most.

    Read-only, and made once: exporting the embedder takes most of a quarter of a minute.
    """

    def make(folder: Path) -> None:
        carrying_pack(folder, request.getfixturevalue("embedder"), ("good", "other", "slow"))

    return make_once(tmp_path_factory, "good", make)


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Upstream:
    shared_upstream.received.clear()
    shared_upstream.closed.clear()
    return shared_upstream


@pytest.fixture(scope="session", params=["express", "asgi"])
def gateway(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A gateway without a pack, once for each entrance.

    Every behaviour of the upstream is a model; task `x-then-y` may use x and y, and `x-only` only x.
    """
    behaviours = sorted({name for name, _ in BEHAVIOURS})
    tasks = {f"{name}-then-good": {"candidates": [name, "good"], "pin": name} for name in behaviours if name != "good"}
    tasks |= {f"{name}-only": {"candidates": [name]} for name in behaviours}
    state = Path(tmp_path_factory.mktemp("state")) / "state.db"
    text = configuration(
        shared_upstream.base_url,
        ["good", *(name for name in behaviours if name != "good")],
        tasks=tasks,
        state={"url": f"sqlite:///{state}"},
        server={"max_body_bytes": 2_000_000, "lane": request.param},
        upstream=UPSTREAM,
    )
    text = with_timeouts(text, STALLING)
    with running_gateway(text) as url:
        yield url


def with_timeouts(text: str, timeouts: Mapping[str, Mapping[str, float]]) -> str:
    """Return a configuration with timeouts of some models, by name."""
    read = yaml.safe_load(text)
    for model in read["models"]:
        if model["name"] in timeouts:
            model["timeouts"] = dict(timeouts[model["name"]])
    return yaml.safe_dump(read)
