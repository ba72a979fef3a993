"""The packs in Redis, as the endpoints see them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gateway.distributed import packs
from gateway.distributed.packs import StoredPack
from gateway.distributed.redis_client import RedisClient
from gateway.errors import Conflict, PackRejected
from gateway.packs.library import Activation, PackInfo

HASH_DIGITS = 12
"""Hex digits of a hash that are a pack's ID."""

EVERY_NODE = "every gateway and scorer takes it over by itself, within seconds"


class RedisPackLibrary:
    """See gateway.packs.library.Shelf. A pack's files come to this machine only when somebody looks at it."""

    def __init__(self, client: RedisClient, cache: Path, clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self._client = client
        self._cache = cache
        self._clock = clock

    def list_packs(self) -> Sequence[PackInfo]:
        """See Shelf.found."""
        active = packs.active_pack(self._client)
        return [self._seen(pushed, active.hash if active else "") for pushed in packs.list_packs(self._client)]

    def ensure_local(self, pack: PackInfo) -> PackInfo:
        """See Shelf.fetched."""
        if pack.path is not None:
            return pack
        return replace(
            pack, path=packs.fetch_pack(self._client, packs.find_pack(self._client, pack.place), self._cache)
        )

    async def activate_pack(self, pack: PackInfo) -> Activation:
        """See Shelf.take."""

        def activate() -> None:
            packs.activate_pack(self._client, packs.find_pack(self._client, pack.place), self._clock())

        await asyncio.to_thread(activate)
        return Activation(pack.id, EVERY_NODE)

    async def rollback_pack(self) -> Activation:
        """See Shelf.back."""
        try:
            active = await asyncio.to_thread(packs.rollback_pack, self._client, self._clock())
        except PackRejected as error:
            raise Conflict(str(error)) from error
        return Activation(active.hash[:HASH_DIGITS], EVERY_NODE)

    def _seen(self, pushed: StoredPack, active: str) -> PackInfo:
        path = self._cache / f"{pushed.hash}.tar"
        name, here = pushed.hash[:HASH_DIGITS], path if path.exists() else None
        try:
            return PackInfo(
                name, pushed.hash, here, pushed.size, pushed.hash == active, packs.read_stored_manifest(pushed)
            )
        except PackRejected as error:
            return PackInfo(name, pushed.hash, here, pushed.size, pushed.hash == active, None, str(error))
