"""What gateways of this machine have taken in, in files that outlive them: so that what one had in hand when it was
killed is counted by the next.
"""

import fcntl
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.distributed import redis_keys
from gateway.distributed.outbox import CrashCounter, read_crash_counter
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import Shard
from gateway.distributed.store import RedisStore

log = logging.getLogger("benchroute.fleet")


def open_crash_counter(cache: Path | None, name: str) -> CrashCounter:
    """A gateway's own; in memory alone where there is no folder for it, or none that can be written to."""
    if cache is None:
        return CrashCounter(None)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return CrashCounter(_path(cache, name))
    except OSError as error:
        log.warning("what is in hand when this gateway is killed will not be counted: %s", error)
        return CrashCounter(None)


def close_crash_counter(cache: Path | None, name: str, tally: CrashCounter, is_settled: bool) -> None:
    """The gateway ends. What is not settled is left for the next one to count."""
    tally.close_file()
    if cache is not None and is_settled:
        _path(cache, name).unlink(missing_ok=True)


def count_lost_observations(client: RedisClient, cache: Path | None) -> int:
    """The observations of gateways that died, which Redis never got; their files are removed. Raises StateError."""
    lost = 0
    for path in sorted(cache.glob("*.tally")) if cache is not None else ():
        with _of_the_dead(path) as is_dead:
            if is_dead:
                lost += _lost(client, path)
                path.unlink(missing_ok=True)
    return lost


def _lost(client: RedisClient, path: Path) -> int:
    """Raises StateError."""
    try:
        accepted, dropped, before = read_crash_counter(path)
    except (OSError, struct.error):
        return 0
    shards = [Shard(number) for number in range(RedisStore(client).shards)]
    added = client.pipeline([("HGET", shard.producers_key, path.stem) for shard in shards])
    lost = max(0, accepted - dropped - before - sum(int(number or 0) for number in added))
    if lost:
        client.execute("HSET", redis_keys.LOST, path.stem, lost)
        log.warning("a gateway that was killed had %d observations in hand, which are lost", lost)
    return lost


@contextmanager
def _of_the_dead(path: Path) -> Iterator[bool]:
    """Whether nobody holds the file; the living hold a lock on theirs."""
    try:
        file = path.open("rb")
    except OSError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _path(cache: Path, name: str) -> Path:
    return cache / f"{name}.tally"
