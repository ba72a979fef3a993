"""The ACL user of the documentation is the least that works: nothing is missing, and nothing is left over."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis

from gateway.distributed import packs, scripts, shared_limits
from gateway.distributed.access import CLUSTER_COMMANDS, COMMANDS, DOCTOR_COMMANDS, acl_rules
from gateway.distributed.leases import list_dead_letters
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.redis_keys import DEFAULT_KEYS
from gateway.distributed.scripts import Script
from gateway.distributed.state_copy import StateCopy
from gateway.distributed.store import RedisStore
from gateway.errors import StateError
from gateway.state.store import Eviction, StateChange, StoredPolicy, TaskFilter, TaskSums
from tests.gateway.asking import ask, chat
from tests.gateway.distributed.deployments import fleet_config, letters_pack, running_scorer
from tests.gateway.distributed.test_emptied import stored_key
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.redis_servers import RedisServer, running_cluster
from tests.gateway.serving import serving_gateway
from tests.gateway.waiting import eventually

JSON = {"content_type": "application/json"}
NO_COMMANDS = {"limit", "loading", "scored"}
"""Words in sources that look like commands: an argument, an error, a placeholder."""
SOURCES = Path(packs.__file__).parent
CALLS = (
    r"redis\.p?call\('(\w+)'(?:, '(CREATE)')?",
    r'execute\(\s*"([A-Z]+)"()',
    r'[\[(]\(?\s*"([HSZXL][A-Z]+|GET|SET)",()',
)


def commands_in_sources() -> set[str]:
    found = set()
    for path in SOURCES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for pattern in CALLS:
            found |= {
                (name + ("|create" if sub or name == "XGROUP" else "")).lower()
                for name, sub in re.findall(pattern, text)
            }
    return found - NO_COMMANDS


def test_the_list_is_what_the_program_calls() -> None:
    # What redis-py calls by itself, and what a method of its own stands for.
    by_library = {"select", "eval", "evalsha", "hscan", "subscribe", "unsubscribe"}
    assert commands_in_sources() | by_library == set(COMMANDS)
    assert len(scripts.ADD.text) > 0
    assert isinstance(shared_limits.SYNC_QUOTA, Script)


def test_the_documentation_has_the_rules() -> None:
    page = " ".join((Path(__file__).parents[3] / "docs" / "scale.md").read_text(encoding="utf-8").split())
    for command in (*COMMANDS, *CLUSTER_COMMANDS, *DOCTOR_COMMANDS):
        assert f"+{command}" in page, command
    assert "resetchannels -@all ~benchroute:* &benchroute:*" in page


def make_user(redis: RedisServer, has_doctor: bool = False) -> str:
    with redis.client() as client:
        rules = acl_rules(DEFAULT_KEYS, has_doctor=has_doctor)
        client.execute_command("ACL", "SETUSER", "fleet", "reset", "on", ">secret", *rules)
        client.execute_command("ACL", "LOG", "RESET")
    return f"redis://fleet:secret@127.0.0.1:{redis.port}/0"


def refusals(redis: RedisServer) -> list[tuple[str, str]]:
    """What the user was refused, but for the client's name and version, which redis-py tells where it may."""
    with redis.client() as client:
        found = [{_text(name): _text(value) for name, value in entry.items()} for entry in client.acl_log()]
    return [(entry["reason"], entry["object"]) for entry in found if not entry["object"].startswith("client|")]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def test_another_installations_keys_and_channels_are_refused(redis_server: RedisServer) -> None:
    client = RedisClient(make_user(redis_server))
    for command in (("GET", "other:keys"), ("PUBLISH", "other:news", ""), ("FLUSHALL",), ("CONFIG", "GET", "save")):
        with pytest.raises(StateError, match=r"docs/scale\.md"):
            client.execute(*command)


def test_every_call_of_the_store_is_allowed(redis_server: RedisServer, tmp_path: Path) -> None:
    client = RedisClient(make_user(redis_server), shards=4)
    store = RedisStore(client, StateCopy())
    assert store.add_key(stored_key("k"))
    assert store.remove_key("k")
    assert store.put_policy(StoredPolicy("t", 1, 1.0, None, "{}"))
    assert store.current_policies()
    store.forget_task("t")
    assert store.read_decisions(TaskFilter("a", limit=2)) == {}
    assert store.read_decisions(TaskFilter(search="a", limit=2)) == {}
    store.update_task(["t"], lambda _: {"t": StateChange(TaskSums("basis", 1, 1, b""), [b"e"], None, ())})
    assert store.tasks_without_use(10) == ["t"]
    store.touch_tasks({"t": 1.0})
    assert (store.count_tasks(), store.least_recently_used(10)) == (1, ["t"])
    assert store.outdated_tasks("other") == ["t"]
    store.evict_tasks([Eviction("t", "max_tasks", 2.0)])
    assert store.task_names() == []
    assert list_dead_letters(client, store.all_shards()) == []
    pushed = packs.push_pack(client, letters_pack(tmp_path / "letters"), 1.0)
    packs.activate_pack(client, pushed, 1.0)
    assert packs.activation_history(client)
    assert packs.fetch_pack(client, pushed, tmp_path / "cache").exists()
    assert refusals(redis_server) == []


@pytest.mark.slow
def test_a_fleet_works_as_that_user(redis_server: RedisServer, upstream: Upstream, tmp_path: Path) -> None:
    pack = letters_pack(tmp_path / "letters")
    url = make_user(redis_server)
    store = RedisStore(RedisClient(url, shards=4))
    text = fleet_config(upstream.base_url, url, tmp_path, None)
    (tmp_path / "config.yaml").write_text(text)
    with ExitStack() as stack:
        client = RedisClient(url, shards=4)
        packs.activate_pack(client, packs.push_pack(client, pack, 1.0), 1.0)
        serving = [stack.enter_context(serving_gateway(text)) for _ in range(2)]
        stack.enter_context(running_scorer(tmp_path / "config.yaml"))
        eventually(lambda: ask(serving[0].url, "/health/ready").json["scorer"] == "ready", 40)
        for place, said in enumerate(inputs("capitals", 12)):
            chat(serving[place % 2].url, task="capitals", messages=[{"role": "user", "content": said}])
        eventually(lambda: ask(serving[1].url, "/v1/tasks/capitals").json.get("n", 0) >= 12, 30)
        request = chat(serving[0].url, task="capitals").headers["x-request-id"]
        told = ask(serving[1].url, "/v1/feedback", {"request_id": request, "score": 1}, **JSON)
        assert told.status == 200, told.body
        with redis_server.client() as raw:
            raw.delete(DEFAULT_KEYS.installation)
        assert store.add_key(stored_key("late"))
        eventually(lambda: ask(serving[0].url, body={}, **JSON).status == 401)
    assert refusals(redis_server) == []


def test_a_client_finds_a_clusters_nodes(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as url:
        for host in url.partition("://")[2].split(","):
            with Redis(port=int(host.rpartition(":")[2])) as raw:
                rules = acl_rules(DEFAULT_KEYS, is_cluster=True, has_doctor=False)
                raw.execute_command("ACL", "SETUSER", "fleet", "reset", "on", ">secret", *rules)
        store = RedisStore(RedisClient(url.replace("://", "://fleet:secret@"), shards=16))
        assert store.add_key(stored_key("k"))
        assert store.task_names() == []
        store.close()
