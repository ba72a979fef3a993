"""The packs in a real Redis, as the endpoints see them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.distributed import packs
from gateway.distributed.pack_library import HASH_DIGITS, RedisPackLibrary
from gateway.distributed.redis_client import RedisClient
from gateway.errors import Conflict
from gateway.packs import read_report
from tests.gateway.letters import Letters
from tests.gateway.packs import saved_pack
from tests.gateway.redis_servers import RedisServer


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[RedisClient]:
    made = RedisClient(redis_server.url)
    yield made
    made.close_connections()


@pytest.fixture
def shelf(client: RedisClient, tmp_path: Path) -> RedisPackLibrary:
    """Two packs, of which none is in use yet."""
    for place, models in enumerate([("calc", "atlas", "broad"), ("one", "two", "three")]):
        packs.push_pack(client, saved_pack(tmp_path / str(place), Letters(), models), float(place))
    return RedisPackLibrary(client, tmp_path / "cache", lambda: 7.0)


def test_a_pack_comes_to_this_machine_when_somebody_looks_at_it(shelf: RedisPackLibrary) -> None:
    first, second = shelf.list_packs()
    assert (first.is_active, first.path, len(first.id)) == (False, None, HASH_DIGITS)
    assert first.manifest is not None
    assert first.manifest.model_names == ("calc", "atlas", "broad")
    fetched = shelf.ensure_local(first)
    assert fetched.path is not None
    assert read_report(fetched.path, first.manifest)["n_datasets"] == 4
    assert [pack.path is None for pack in shelf.list_packs()] == [False, True]
    assert second.size_bytes > 0


def test_packs_are_taken_into_use_and_given_back(shelf: RedisPackLibrary) -> None:
    first, second = shelf.list_packs()
    with pytest.raises(Conflict, match="no pack was active before"):
        asyncio.run(shelf.rollback_pack())
    assert asyncio.run(shelf.activate_pack(first)).id == first.id
    asyncio.run(shelf.activate_pack(second))
    assert [pack.is_active for pack in shelf.list_packs()] == [False, True]
    assert asyncio.run(shelf.rollback_pack()).id == first.id
    assert [pack.is_active for pack in shelf.list_packs()] == [True, False]
