"""The packs in Redis, as the endpoints see them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gateway.distributed import packs
from gateway.distributed.packs import Pushed
from gateway.distributed.redis_client import Client
from gateway.errors import Conflict, PackRefused
from gateway.packs.library import FoundPack, Taken

SHOWN = 12
"""Hex digits of a hash that are a pack's ID."""

EVERYWHERE = "every gateway and scorer takes it over by itself, within seconds"


class RedisShelf:
    """See gateway.packs.library.Shelf. A pack's files come to this machine only when somebody looks at it."""

    def __init__(self, client: Client, cache: Path, clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self._client = client
        self._cache = cache
        self._clock = clock

    def found(self) -> Sequence[FoundPack]:
        """See Shelf.found."""
        active = packs.active(self._client)
        return [self._seen(pushed, active.hash if active else "") for pushed in packs.listed(self._client)]

    def fetched(self, pack: FoundPack) -> FoundPack:
        """See Shelf.fetched."""
        if pack.path is not None:
            return pack
        return replace(pack, path=packs.fetch(self._client, packs.find(self._client, pack.place), self._cache))

    async def take(self, pack: FoundPack) -> Taken:
        """See Shelf.take."""

        def activate() -> None:
            packs.activate(self._client, packs.find(self._client, pack.place), self._clock())

        await asyncio.to_thread(activate)
        return Taken(pack.id, EVERYWHERE)

    async def back(self) -> Taken:
        """See Shelf.back."""
        try:
            active = await asyncio.to_thread(packs.rollback, self._client, self._clock())
        except PackRefused as error:
            raise Conflict(str(error)) from error
        return Taken(active.hash[:SHOWN], EVERYWHERE)

    def _seen(self, pushed: Pushed, active: str) -> FoundPack:
        path = self._cache / f"{pushed.hash}.tar"
        name, here = pushed.hash[:SHOWN], path if path.exists() else None
        try:
            return FoundPack(name, pushed.hash, here, pushed.size, pushed.hash == active, packs.manifest_of(pushed))
        except PackRefused as error:
            return FoundPack(name, pushed.hash, here, pushed.size, pushed.hash == active, None, str(error))
