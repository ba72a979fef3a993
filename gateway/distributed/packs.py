"""Packs in Redis: pushed in chunks under their content hash, one of them active, each activation with its number.

A pack's .tar is cut into chunks, each a key of its own, so that a Cluster spreads them. Whoever fetches one checks the
whole against its SHA-256, keeps it on disk, and opens it as any other pack, which checks every file in it again.
"""

import contextlib
import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gateway.distributed import redis_keys, scripts
from gateway.distributed.redis_client import RedisArg, RedisClient
from gateway.distributed.redis_keys import PREFIX
from gateway.errors import PackRejected, StateError
from routing.errors import RoutingError
from routing.manifest import MANIFEST, Manifest, parse_manifest, read_manifest

PACKS = f"{PREFIX}packs"
ACTIVE = f"{PREFIX}{{active}}"
HISTORY = f"{PREFIX}{{active}}:history"
CHUNK_BYTES = 1024 * 1024
MAX_HISTORY = 100
MIN_HASH_DIGITS = 6
"""Hex digits of a hash that may stand for it."""


class StoredPack(msgspec.Struct, frozen=True):
    """A pack in Redis. sha256: of its .tar; manifest: the text of its manifest.json; at: Unix time in seconds."""

    hash: str
    name: str
    sha256: str
    size: int
    chunks: int
    at: float
    manifest: str


@dataclass(frozen=True, slots=True)
class ActivePack:
    """version: rises with every activation, of whatever pack. before: the hash that was active, empty for none."""

    version: int
    hash: str
    before: str


def push_pack(client: RedisClient, path: Path, now: float) -> StoredPack:
    """Puts a pack into Redis; one that is there already is left alone. Raises RoutingError, StateError."""
    manifest = read_manifest(path)
    for pushed in list_packs(client):
        if pushed.hash == manifest.hash:
            return pushed
    with _tar(path) as tar:
        digest, count, size = hashlib.sha256(), 0, 0
        with tar.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                client.execute("SET", _chunk(manifest.hash, count), chunk)
                digest.update(chunk)
                count, size = count + 1, size + len(chunk)
    pushed = StoredPack(manifest.hash, manifest.name, digest.hexdigest(), size, count, now, manifest.to_json())
    client.execute("HSET", PACKS, manifest.hash, msgspec.msgpack.encode(pushed))
    return pushed


def list_packs(client: RedisClient) -> list[StoredPack]:
    """Every pack in Redis, oldest first. Raises StateError."""
    found = [msgspec.msgpack.decode(data, type=StoredPack) for data in client.execute("HGETALL", PACKS).values()]
    return sorted(found, key=lambda pushed: pushed.at)


def find_pack(client: RedisClient, name: str) -> StoredPack:
    """The pack of a hash, or its first digits. Raises PackRejected where that is none, or several; StateError."""
    found = [pushed for pushed in list_packs(client) if pushed.hash.startswith(name) and len(name) >= MIN_HASH_DIGITS]
    if len(found) != 1:
        raise PackRejected(f"{name!r} names {len(found) or 'no'} pack{'s' if found else ''} in Redis: see `pack list`")
    return found[0]


def active_pack(client: RedisClient) -> ActivePack | None:
    """The pack that is in force, None where none was ever activated. Raises StateError."""
    found = client.execute("HMGET", ACTIVE, "version", "hash", "before")
    return None if found[0] is None else ActivePack(int(found[0]), found[1].decode(), found[2].decode())


def activate_pack(client: RedisClient, pushed: StoredPack, now: float) -> ActivePack:
    """Puts a pack in force everywhere. Of two at once the later wins, everywhere. Raises StateError."""
    words: list[RedisArg] = [pushed.hash, now, MAX_HISTORY]
    version, before = client.eval_script(scripts.ACTIVATE, [ACTIVE, HISTORY], words)
    client.execute("HINCRBY", redis_keys.CHANGES, "packs", 1)
    return ActivePack(version, pushed.hash, before.decode())


def rollback_pack(client: RedisClient, now: float) -> ActivePack:
    """Puts the pack in force that was before this one. Raises PackRejected where there was none, StateError."""
    current = active_pack(client)
    if current is None or not current.before:
        raise PackRejected("no pack was active before this one")
    return activate_pack(client, find_pack(client, current.before), now)


def activation_history(client: RedisClient) -> Sequence[tuple[int, str, float]]:
    """The activations: version, hash, Unix time in seconds; oldest first. Raises StateError."""
    found = [entry.decode().split(" ") for entry in client.execute("LRANGE", HISTORY, 0, -1)]
    return [(int(version), name, float(at)) for version, name, at in found]


def fetch_pack(client: RedisClient, pushed: StoredPack, cache: Path) -> Path:
    """The pack's .tar on disk, from Redis if it is not there yet. Raises PackRejected for altered bytes, StateError."""
    path = cache / f"{pushed.hash}.tar"
    if path.exists() and _sha256(path) == pushed.sha256:
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetching-") as scratch:
        made = Path(scratch) / "pack.tar"
        with made.open("wb") as file:
            for number in range(pushed.chunks):
                chunk = client.execute("GET", _chunk(pushed.hash, number))
                if chunk is None:
                    raise PackRejected(f"pack {pushed.hash[:12]}: chunk {number} of {pushed.chunks} is not in Redis")
                file.write(chunk)
        if (found := _sha256(made)) != pushed.sha256:
            raise PackRejected(f"pack {pushed.hash[:12]}: its bytes have hash {found[:12]}, not {pushed.sha256[:12]}")
        os.replace(made, path)
    return path


def read_stored_manifest(pushed: StoredPack) -> Manifest:
    """What the pack says of itself. Raises PackRejected."""
    try:
        return parse_manifest(pushed.manifest, f"pack {pushed.hash[:12]} in Redis")
    except RoutingError as error:
        raise PackRejected(str(error)) from error


def cache_active(cache: Path, pushed: StoredPack) -> None:
    """Keeps the active pack's manifest for a start without Redis."""
    cache.mkdir(parents=True, exist_ok=True)
    beside = cache / f".active-{os.getpid()}"
    beside.write_bytes(msgspec.msgpack.encode(pushed))
    os.replace(beside, cache / "active")


def cached_active(cache: Path) -> StoredPack | None:
    """The pack that was active when one last looked, None where nobody has."""
    try:
        return msgspec.msgpack.decode((cache / "active").read_bytes(), type=StoredPack)
    except (OSError, msgspec.MsgspecError):
        return None


def active_and_stored(client: RedisClient) -> tuple[ActivePack, StoredPack] | None:
    """The active pack and where it lies. Raises StateError where Redis names one that it does not hold."""
    current = active_pack(client)
    if current is None:
        return None
    data = client.execute("HGET", PACKS, current.hash)
    if data is None:
        raise StateError(f"the active pack {current.hash[:12]} is not in Redis: push it again")
    return current, msgspec.msgpack.decode(data, type=StoredPack)


@contextlib.contextmanager
def _tar(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="benchroute-push-") as scratch:
        made = Path(scratch) / "pack.tar"
        with tarfile.open(made, "w") as tar:
            for name in (MANIFEST, *sorted(read_manifest(path).files)):
                tar.add(path / name, arcname=name)
        yield made


def _chunk(hash_: str, number: int) -> str:
    return f"{PREFIX}pack:{hash_}:{number}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
