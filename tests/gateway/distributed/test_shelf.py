"""The packs in a real Redis, as the endpoints see them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.distributed import packs
from gateway.distributed.pack_library import SHOWN, RedisShelf
from gateway.distributed.redis_client import Client
from gateway.errors import Conflict
from gateway.packs.metadata import read_report
from tests.gateway.packs import Letters, saved_pack
from tests.gateway.redis_servers import RedisServer


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Client]:
    made = Client(redis_server.url)
    yield made
    made.close()


@pytest.fixture
def shelf(client: Client, tmp_path: Path) -> RedisShelf:
    """Two packs, of which none is in use yet."""
    for place, models in enumerate([("calc", "atlas", "broad"), ("one", "two", "three")]):
        packs.push(client, saved_pack(tmp_path / str(place), Letters(), models), float(place))
    return RedisShelf(client, tmp_path / "cache", lambda: 7.0)


def test_a_pack_comes_to_this_machine_when_somebody_looks_at_it(shelf: RedisShelf) -> None:
    first, second = shelf.found()
    assert (first.is_active, first.path, len(first.id)) == (False, None, SHOWN)
    assert first.manifest is not None
    assert first.manifest.model_names == ("calc", "atlas", "broad")
    fetched = shelf.fetched(first)
    assert fetched.path is not None
    assert read_report(fetched.path, first.manifest)["n_datasets"] == 4
    assert [pack.path is None for pack in shelf.found()] == [False, True]
    assert second.size_bytes > 0


def test_packs_are_taken_into_use_and_given_back(shelf: RedisShelf) -> None:
    first, second = shelf.found()
    with pytest.raises(Conflict, match="no pack was active before"):
        asyncio.run(shelf.back())
    assert asyncio.run(shelf.take(first)).id == first.id
    asyncio.run(shelf.take(second))
    assert [pack.is_active for pack in shelf.found()] == [False, True]
    assert asyncio.run(shelf.back()).id == first.id
    assert [pack.is_active for pack in shelf.found()] == [True, False]
