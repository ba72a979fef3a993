"""Packs in Redis: pushed in chunks under their content hash, one of them active, each activation with its number.

A pack's .tar is cut into chunks, each a key of its own, so that a Cluster spreads them. Who fetches one checks it
against its SHA-256, stores it on disk, and opens it as any other pack, which checks every file in it again.
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

from gateway.distributed import scripts
from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.errors import PackRejected, StateError
from routing.errors import RoutingError
from routing.manifest import MANIFEST, Manifest, parse_manifest, read_manifest

CHUNK_BYTES = 1024 * 1024
MAX_HISTORY = 100
MIN_HASH_DIGITS = 6
"""Hex digits of a hash that may stand for it."""


class StoredPack(msgspec.Struct, frozen=True):
    """A pack in Redis.

    Attributes:
        hash: content hash, its name everywhere.
        sha256: of its .tar.
        at: Unix time in seconds of its push.
        manifest: text of its manifest.json.
    """

    hash: str
    name: str
    sha256: str
    size: int
    chunks: int
    at: float
    manifest: str


@dataclass(frozen=True, slots=True)
class ActivePack:
    """The active pack.

    Attributes:
        version: number of the activation; rises with every one, of whatever pack.
        before: hash of the pack that was active before, empty for none.
    """

    version: int
    hash: str
    before: str


def push_pack(client: RedisClient, path: Path, now: float) -> StoredPack:
    """Push a pack, unless it is in Redis already. Raises RoutingError, StateError."""
    manifest = read_manifest(path)
    for pushed in list_packs(client):
        if pushed.hash == manifest.hash:
            return pushed
    with _tar(path) as tar:
        digest, count, size = hashlib.sha256(), 0, 0
        with tar.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                client.execute("SET", client.keys.pack_chunk(manifest.hash, count), chunk)
                digest.update(chunk)
                count, size = count + 1, size + len(chunk)
    # Listed last: a push that breaks off leaves chunks, which the next one writes again, and no pack.
    pushed = StoredPack(manifest.hash, manifest.name, digest.hexdigest(), size, count, now, manifest.to_json())
    client.execute("HSET", client.keys.packs, manifest.hash, msgspec.msgpack.encode(pushed))
    return pushed


def list_packs(client: RedisClient) -> list[StoredPack]:
    """Return the packs in Redis, oldest first. Raises StateError."""
    stored = client.execute("HGETALL", client.keys.packs).values()
    with translate_content(client.keys.packs):
        found = [msgspec.msgpack.decode(data, type=StoredPack) for data in stored]
    return sorted(found, key=lambda pushed: pushed.at)


def find_pack(client: RedisClient, name: str) -> StoredPack:
    """Return the pack of a hash, or of its first digits. Raises PackRejected for none, or several; StateError."""
    found = [pushed for pushed in list_packs(client) if pushed.hash.startswith(name) and len(name) >= MIN_HASH_DIGITS]
    if len(found) != 1:
        raise PackRejected(f"{len(found)} packs in Redis match {name!r}, expected 1: see `benchroute pack list`")
    return found[0]


def active_pack(client: RedisClient) -> ActivePack | None:
    """Return the active pack; None where none was ever activated. Raises StateError."""
    found = client.execute("HMGET", client.keys.active_pack, "version", "hash", "before")
    with translate_content(client.keys.active_pack):
        return None if found[0] is None else ActivePack(int(found[0]), found[1].decode(), found[2].decode())


def activate_pack(client: RedisClient, pushed: StoredPack, now: float) -> ActivePack:
    """Activate a pack for all gateways and scorers. Raises StateError."""
    words: list[RedisArg] = [pushed.hash, now, MAX_HISTORY]
    # Of two at once the later wins, everywhere: scorers refuse to write with a pack of a lower number.
    version, before = client.eval_script(scripts.ACTIVATE, [client.keys.active_pack, client.keys.activations], words)
    client.execute("HINCRBY", client.keys.changes, "packs", 1)
    return ActivePack(version, pushed.hash, before.decode())


def rollback_pack(client: RedisClient, now: float) -> ActivePack:
    """Activate the pack that was active before. Raises PackRejected where there was none, StateError."""
    current = active_pack(client)
    if current is None or not current.before:
        raise PackRejected("no pack was active before this one")
    return activate_pack(client, find_pack(client, current.before), now)


def activation_history(client: RedisClient) -> Sequence[tuple[int, str, float]]:
    """Return activations, oldest first: version, hash, Unix time in seconds. Raises StateError."""
    entries = client.execute("LRANGE", client.keys.activations, 0, -1)
    with translate_content(client.keys.activations):
        found = [entry.decode().split(" ") for entry in entries]
        return [(int(version), name, float(at)) for version, name, at in found]


def fetch_pack(client: RedisClient, pushed: StoredPack, cache: Path) -> Path:
    """Return the path of a pack's .tar, fetched from Redis if it is not on disk.

    Raises PackRejected for missing or altered chunks, StateError.
    """
    path = cache / f"{pushed.hash}.tar"
    if path.exists() and _sha256(path) == pushed.sha256:
        return path
    cache.mkdir(parents=True, exist_ok=True)
    # Under another name until it is whole: gateways and scorers of one machine share the folder.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetching-") as scratch:
        made = Path(scratch) / "pack.tar"
        with made.open("wb") as file:
            for number in range(pushed.chunks):
                chunk = client.execute("GET", client.keys.pack_chunk(pushed.hash, number))
                if chunk is None:
                    raise PackRejected(f"pack {pushed.hash[:12]}: chunk {number} of {pushed.chunks} is not in Redis")
                file.write(chunk)
        if (found := _sha256(made)) != pushed.sha256:
            raise PackRejected(f"pack {pushed.hash[:12]}: its bytes have hash {found[:12]}, not {pushed.sha256[:12]}")
        os.replace(made, path)
    return path


def read_stored_manifest(pushed: StoredPack) -> Manifest:
    """Return the manifest of a pack in Redis. Raises PackRejected."""
    try:
        return parse_manifest(pushed.manifest, f"pack {pushed.hash[:12]} in Redis")
    except RoutingError as error:
        raise PackRejected(str(error)) from error


def cache_active(cache: Path, pushed: StoredPack) -> None:
    """Write the active pack's manifest to disk, for a start without Redis."""
    cache.mkdir(parents=True, exist_ok=True)
    unnamed = cache / f".active-{os.getpid()}"
    unnamed.write_bytes(msgspec.msgpack.encode(pushed))
    os.replace(unnamed, cache / "active")


def cached_active(cache: Path) -> StoredPack | None:
    """Return the pack that was active when Redis was last reached; None where it never was."""
    try:
        return msgspec.msgpack.decode((cache / "active").read_bytes(), type=StoredPack)
    except (OSError, msgspec.MsgspecError):
        return None


def active_and_stored(client: RedisClient) -> tuple[ActivePack, StoredPack] | None:
    """Return the active pack and its record; None without one. Raises StateError where Redis lacks the record."""
    current = active_pack(client)
    if current is None:
        return None
    data = client.execute("HGET", client.keys.packs, current.hash)
    if data is None:
        raise StateError(f"the active pack {current.hash[:12]} is not in Redis: push it again")
    with translate_content(client.keys.packs):
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
