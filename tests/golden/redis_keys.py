"""A Redis' keys as plain data, whatever version of Redis wrote them, and back.

What expires within a minute (who is there, who holds which shard) is left out.
"""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

SHORT_LIVED_MS = 60_000


def save_keys(client: Any, path: Path) -> None:
    """Write every key to a file. client: of redis-py, whose types know nothing of bytes."""
    names = sorted(client.scan_iter())
    lives = {name: client.pttl(name) for name in names}
    kept = [_read(client, name, life) for name, life in lives.items() if life < 0 or life > SHORT_LIVED_MS]
    data = json.dumps(kept, separators=(",", ":")).encode()
    path.write_bytes(gzip.compress(data, mtime=0))


def load_keys(client: Any, path: Path) -> None:
    """Put the keys of a file into an empty Redis."""
    for key in json.loads(gzip.decompress(path.read_bytes())):
        _write(client, _bytes(key["name"]), key)


def _read(client: Any, name: bytes, life_ms: int) -> dict[str, Any]:
    kind = client.type(name).decode()
    about = {"name": _text(name), "kind": kind, "expires": life_ms > 0}
    if kind == "string":
        return {**about, "value": _text(client.get(name))}
    if kind == "hash":
        return {**about, "value": [[_text(one), _text(value)] for one, value in sorted(client.hgetall(name).items())]}
    if kind == "list":
        return {**about, "value": [_text(one) for one in client.lrange(name, 0, -1)]}
    if kind == "set":
        return {**about, "value": [_text(one) for one in sorted(client.smembers(name))]}
    if kind == "zset":
        return {**about, "value": [[_text(one), score] for one, score in client.zrange(name, 0, -1, withscores=True)]}
    assert kind == "stream", kind
    entries = [
        [_text(at), [[_text(one), _text(value)] for one, value in fields.items()]] for at, fields in client.xrange(name)
    ]
    groups = [[_text(group["name"]), _text(group["last-delivered-id"])] for group in client.xinfo_groups(name)]
    return {**about, "value": entries, "groups": groups, "last": _text(client.xinfo_stream(name)["last-generated-id"])}


def _write(client: Any, name: bytes, key: dict[str, Any]) -> None:
    value, kind = key["value"], key["kind"]
    if kind == "string":
        client.set(name, _bytes(value))
    elif kind == "hash":
        client.hset(name, mapping={_bytes(one): _bytes(told) for one, told in value})
    elif kind == "list":
        client.rpush(name, *map(_bytes, value))
    elif kind == "set":
        client.sadd(name, *map(_bytes, value))
    elif kind == "zset":
        client.zadd(name, {_bytes(one): score for one, score in value})
    else:
        for at, fields in value:
            client.xadd(name, {_bytes(one): _bytes(told) for one, told in fields}, id=_bytes(at))
        for group, last in key["groups"]:
            client.xgroup_create(name, _bytes(group), id=_bytes(last), mkstream=True)
        client.execute_command("XSETID", name, _bytes(key["last"]))
    if key["expires"]:
        client.pexpire(name, 86_400_000)


def _text(data: bytes) -> str:
    return base64.b85encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b85decode(text)
