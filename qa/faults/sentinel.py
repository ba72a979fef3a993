"""A replica of Redis, and the Sentinel that makes it the master where Redis dies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from qa.faults.programs import LOOPBACK, Program, Server, free_port, redis_server, wait_until

MASTER = "main"
START_S = 30.0


@dataclass
class Watched:
    """A replica and a Sentinel. port: the Sentinel's."""

    replica: Server
    sentinel: Program
    port: int

    @property
    def url(self) -> str:
        """The state's URL."""
        return f"redis-sentinel://{LOOPBACK}:{self.port}/{MASTER}"

    @property
    def programs(self) -> Sequence[Program]:
        """Both processes."""
        return (self.replica, self.sentinel)

    def start_and_wait(self, redis: Server) -> None:
        """Start both and wait until the Sentinel knows the replica. redis: the master, which runs."""
        self.replica.start_and_wait()
        self.sentinel.start()
        wait_until(lambda: self._replicas() == 1, START_S, "the Sentinel's start")
        wait_until(lambda: _is_synced(redis), START_S, "the replica's synchronisation")

    def is_master(self, server: Server) -> bool:
        """Return True if the Sentinel names this server as the master."""
        with Redis(port=self.port) as client:
            found: Any = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
            return found is not None and int(found[1]) == server.port

    def _replicas(self) -> int:
        try:
            with Redis(port=self.port) as client:
                told: Any = client.sentinel_master(MASTER)
                return int(told["num-slaves"])
        except RedisError:
            return 0


def watch_redis(folder: Path, redis: Server) -> Watched:
    """Return a replica and a Sentinel of a Redis, not started."""
    place = folder / "sentinel"
    place.mkdir(parents=True, exist_ok=True)
    (folder / "replica").mkdir(exist_ok=True)
    replica = redis_server(folder / "replica", free_port(), "--replicaof", LOOPBACK, str(redis.port))
    port, config = free_port(), place / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind {LOOPBACK}\ndir {place}\nsentinel monitor {MASTER} {LOOPBACK} {redis.port} 1\n"
        f"sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 3000\n"
    )
    return Watched(replica, Program(["redis-server", str(config), "--sentinel"], place / "log"), port)


def _is_synced(redis: Server) -> bool:
    with redis.client() as client:
        info: Any = client.info("replication")
        return bool(info["connected_slaves"] == 1 and info["slave0"]["state"] == "online")
