"""Pack library on Redis, for the management endpoints."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gateway.distributed import packs
from gateway.distributed.packs import StoredPack
from gateway.distributed.redis_client import RedisClient
from gateway.errors import Conflict, PackRejected
from gateway.packs import Activation, PackInfo

HASH_DIGITS = 12
"""Hex digits of a hash that make a pack's ID."""

EVERY_NODE = "every gateway and scorer switches to it within seconds"


class RedisPackLibrary:
    """A gateway.packs.PackLibrary. A pack's files are fetched only when they are needed."""

    def __init__(self, client: RedisClient, cache: Path, clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self._client = client
        self._cache = cache
        self._clock = clock

    def list_packs(self) -> Sequence[PackInfo]:
        """Return the packs in Redis, oldest first."""
        active = packs.active_pack(self._client)
        return [self._describe(pushed, active.hash if active else "") for pushed in packs.list_packs(self._client)]

    def ensure_local(self, pack: PackInfo) -> PackInfo:
        """Return the pack with its files on this machine."""
        if pack.path is not None:
            return pack
        return replace(
            pack, path=packs.fetch_pack(self._client, packs.find_pack(self._client, pack.place), self._cache)
        )

    async def activate_pack(self, pack: PackInfo) -> Activation:
        """Activate a pack for all gateways and scorers."""

        def activate() -> None:
            packs.activate_pack(self._client, packs.find_pack(self._client, pack.place), self._clock())

        # Redis blocks, and the event loop serves requests meanwhile.
        await asyncio.to_thread(activate)
        return Activation(pack.id, EVERY_NODE)

    async def rollback_pack(self) -> Activation:
        """Activate the pack that was active before. Raises Conflict where there was none."""
        try:
            active = await asyncio.to_thread(packs.rollback_pack, self._client, self._clock())
        except PackRejected as error:
            raise Conflict(str(error)) from error
        return Activation(active.hash[:HASH_DIGITS], EVERY_NODE)

    def _describe(self, pushed: StoredPack, active: str) -> PackInfo:
        path = self._cache / f"{pushed.hash}.tar"
        name, here = pushed.hash[:HASH_DIGITS], path if path.exists() else None
        try:
            return PackInfo(
                name, pushed.hash, here, pushed.size, pushed.hash == active, packs.read_stored_manifest(pushed)
            )
        except PackRejected as error:
            return PackInfo(name, pushed.hash, here, pushed.size, pushed.hash == active, None, str(error))
