"""Stored keys as the gateway uses them."""

import hashlib
import json

from msgspec.structs import replace

from gateway.keys.client_keys import to_client_keys
from gateway.keys.key_records import ClientKey
from gateway.keys.key_set import KeySet
from gateway.state.store import StoredKey


def stored_key(number: int, **terms: object) -> StoredKey:
    name = f"key-{number:02}"
    digest = hashlib.sha256(name.encode()).hexdigest()
    return StoredKey(name, digest, float(number), json.dumps({"name": name, **terms}))


def client_keys(*numbers: int, **terms: object) -> list[ClientKey]:
    return list(to_client_keys([stored_key(number, **terms) for number in numbers]).values())


def test_only_keys_that_have_changed_are_read_again() -> None:
    known = to_client_keys(map(stored_key, range(4)))
    changed = replace(stored_key(1), version=1, settings_json=json.dumps({"name": "key-01", "default_task": "t"}))
    found = to_client_keys([stored_key(0), changed, stored_key(3), stored_key(7)], known)
    assert list(found) == ["key-00", "key-01", "key-03", "key-07"]
    assert (found["key-00"] is known["key-00"], found["key-03"] is known["key-03"]) == (True, True)
    assert (found["key-01"].key.default_task, found["key-01"].stored) == ("t", changed)


def test_a_set_of_keys_knows_them_by_name_in_order_and_by_default_task() -> None:
    keys = KeySet(client_keys(3, 1))
    assert keys.put(client_keys(2, default_task="t")[0]) is None
    assert [one.key.name for one in keys.keys_after()] == ["key-01", "key-02", "key-03"]
    assert list(keys.default_tasks) == ["t"]
    first = keys.find("key-01")
    assert first is not None
    assert [one.key.name for one in keys.keys_after(first.place)] == ["key-02", "key-03"]
    before = keys.put(client_keys(2, default_task="u")[0])
    assert before is not None
    assert (before.key.default_task, list(keys.default_tasks)) == ("t", ["u"])
    assert keys.remove("key-02") is not None
    assert keys.remove("key-02") is None
    assert ([one.key.name for one in keys.keys_after()], list(keys.default_tasks)) == (["key-01", "key-03"], [])
    assert keys.secrets() == {hashlib.sha256(name).hexdigest() for name in (b"key-01", b"key-03")}
