"""Counts of observations that outlive their gateway: what one had in hand when it was killed is counted by the next.

A gateway's counts are three numbers in a memory-mapped file under an exclusive lock. A file that nobody locks belongs
to a gateway that died; what it took in and Redis never got is lost, and counted once.
"""

import fcntl
import logging
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.distributed.redis_client import RedisClient
from gateway.distributed.store import RedisStore

log = logging.getLogger("benchroute.distributed")

COUNTER_FORMAT = struct.Struct("<QQQ")


class CrashCounter:
    """Counts of one gateway, in a file if there is a path. A gateway.scorer.observation_queue.Journal.

    Attributes:
        accepted: observations taken in.
        dropped: those that found no room.
        before: those acknowledged in former lives of Redis.
    """

    def __init__(self, path: Path | None) -> None:
        """path: None keeps the counts in memory alone. Raises OSError."""
        self.accepted = self.dropped = self.before = 0
        self._file: BinaryIO | None = None
        if path is not None:
            unnamed = path.with_suffix(".new")
            self._file = unnamed.open("w+b")
            fcntl.flock(self._file, fcntl.LOCK_EX)  # as long as this process lives
            self._file.truncate(COUNTER_FORMAT.size)
            self._map = mmap.mmap(self._file.fileno(), COUNTER_FORMAT.size)
            # Under its name the file never appears unlocked: another gateway would take this one for dead.
            unnamed.rename(path)
        self.write_counts()

    def write_counts(self) -> None:
        """Write the counts: a few bytes of memory that outlive the process, without a system call."""
        if self._file is not None:
            COUNTER_FORMAT.pack_into(self._map, 0, self.accepted, self.dropped, self.before)

    def close_file(self) -> None:
        """Close the file, and with it the lock."""
        if self._file is not None:
            self._map.close()
            self._file.close()


def open_crash_counter(cache: Path | None, name: str) -> CrashCounter:
    """Open a gateway's own counter; in memory alone where there is no folder for it, or none that can be written to."""
    if cache is None:
        return CrashCounter(None)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return CrashCounter(_path(cache, name))
    except OSError as error:
        log.warning("cannot write crash counters, so observations lost in a crash will not be counted: %s", error)
        return CrashCounter(None)


def close_crash_counter(cache: Path | None, name: str, counter: CrashCounter, is_settled: bool) -> None:
    """Close a gateway's counter at its end. A file with open observations is left for the next gateway to count."""
    counter.close_file()
    if cache is not None and is_settled:
        _path(cache, name).unlink(missing_ok=True)


def read_crash_counter(path: Path) -> tuple[int, int, int]:
    """Return accepted, dropped and before. Raises OSError, struct.error."""
    accepted, dropped, before = COUNTER_FORMAT.unpack(path.read_bytes())
    return accepted, dropped, before


def count_lost_observations(client: RedisClient, cache: Path | None) -> int:
    """Count the observations of dead gateways that Redis never got, and remove their files. Raises StateError."""
    lost = 0
    for path in sorted(cache.glob("*.tally")) if cache is not None else ():
        with _lock_if_dead(path) as is_dead:
            if is_dead:
                lost += _count_lost(client, path)
                path.unlink(missing_ok=True)
    return lost


def _count_lost(client: RedisClient, path: Path) -> int:
    """Raises StateError."""
    try:
        accepted, dropped, before = read_crash_counter(path)
    except (OSError, struct.error):
        return 0
    shards = RedisStore(client).all_shards()
    added = client.pipeline([("HGET", shard.producers_key, path.stem) for shard in shards])
    lost = max(0, accepted - dropped - before - sum(int(number or 0) for number in added))
    if lost:
        client.execute("HSET", client.keys.lost, path.stem, lost)
        log.warning("a gateway that was killed had %d unsent observations, which are lost", lost)
    return lost


@contextmanager
def _lock_if_dead(path: Path) -> Iterator[bool]:
    """Lock a file where no gateway holds it; the living hold a lock on theirs. Yields whether it is locked now."""
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
