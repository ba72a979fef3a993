from hashlib import sha256

import pytest

from gateway.config import AdminKeyConfig, KeyConfig
from gateway.errors import Forbidden, Unauthenticated
from gateway.http.headers import key_digest
from gateway.keys.auth import ANONYMOUS, Authenticator, Principal, index_keys


def digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


CLIENT = KeyConfig(name="client", sha256=digest("c").upper(), tasks=("a",))
ADMIN = AdminKeyConfig(name="admin", sha256=digest("a"))
LOOKER = AdminKeyConfig(name="looker", sha256=digest("l"), read_only=True)


def bearer(secret: str, word: str = "Bearer") -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"{word} {secret}".encode())]


def test_with_no_key_at_all_it_is_anybody() -> None:
    keys = Authenticator()
    assert keys.authenticate(None) is keys.authenticate_any([]) is ANONYMOUS
    with pytest.raises(Forbidden, match=r"admin\.keys") as caught:
        keys.authenticate_admin([])
    assert (caught.value.status, caught.value.code) == (403, "admin_off")


def test_an_admin_key_alone_closes_the_gateway_to_clients() -> None:
    keys = Authenticator(admins=[ADMIN])
    assert not keys.is_open
    with pytest.raises(Unauthenticated, match="Missing API key"):
        keys.authenticate(None)
    with pytest.raises(Forbidden, match="is an admin key"):
        keys.authenticate(key_digest(bearer("a")))
    assert keys.authenticate_any(bearer("a")).is_admin


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER"])
def test_a_key_is_found_by_its_digest(word: str) -> None:
    found = Authenticator([CLIENT], [ADMIN]).authenticate(key_digest(bearer(" c ", word)))
    assert (found.name, found.is_admin) == ("client", False)


@pytest.mark.parametrize("headers", [[], bearer("c", "Basic"), bearer("x"), bearer(""), [(b"authorization", b"c")]])
def test_what_is_no_key_is_nobody(headers: list[tuple[bytes, bytes]]) -> None:
    keys = Authenticator([CLIENT], [ADMIN])
    with pytest.raises(Unauthenticated):
        keys.authenticate(key_digest(headers))
    for who in (keys.authenticate_any, keys.authenticate_admin):
        with pytest.raises(Unauthenticated):
            who(headers)


def test_admins_are_told_from_clients_and_lookers() -> None:
    keys = Authenticator([CLIENT], [ADMIN, LOOKER])
    assert keys.authenticate_admin(bearer("a"), changes=True).name == "admin"
    assert keys.authenticate_admin(bearer("l")).is_read_only
    with pytest.raises(Forbidden, match="requires an admin key"):
        keys.authenticate_admin(bearer("c"))
    with pytest.raises(Forbidden, match="'looker' is read-only"):
        keys.authenticate_admin(bearer("l"), changes=True)


def test_other_keys_take_the_place_of_those_before() -> None:
    keys = Authenticator([CLIENT], [ADMIN])
    keys.replace_all(index_keys([], [LOOKER]))
    for gone in ("c", "a"):
        with pytest.raises(Unauthenticated):
            keys.authenticate_any(bearer(gone))
    assert keys.authenticate_admin(bearer("l")).name == "looker"


def test_a_key_without_a_list_of_tasks_may_use_all() -> None:
    Principal("k").check_task("z")
    Principal("k", tasks=frozenset("z")).check_task("z")
    with pytest.raises(Forbidden, match="is not allowed to use task 'z'"):
        Principal("k", tasks=frozenset("a")).check_task("z")


def test_a_hash_is_not_printed() -> None:
    assert digest("a") not in repr(ADMIN) + ADMIN.model_dump_json() + str(ADMIN.model_dump())


def test_a_key_may_come_as_anthropics_clients_send_it() -> None:
    keys = Authenticator([CLIENT])
    assert keys.authenticate(key_digest([(b"x-api-key", b" c ")])).name == "client"
    assert keys.authenticate(key_digest([(b"authorization", b"Basic Yzo="), (b"x-api-key", b"c")])).name == "client"
    with pytest.raises(Unauthenticated, match="Unknown API key"):
        keys.authenticate(key_digest([(b"x-api-key", b"c"), *bearer("other")]))
