"""Real Redis servers, each on a port and in a folder of its own."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from tests.gateway.waiting import eventually

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


BUS_PORT_OFFSET = 10_000
"""Offset of the port on which a cluster's servers talk to each other."""


def free_port() -> int:
    port = 2**16
    while port >= 2**16 - BUS_PORT_OFFSET:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
    return port


@dataclass
class RedisServer:
    """A server that can be killed and restarted. folder: of its append-only file. tls: a folder with `tls_folder`'s."""

    folder: Path
    options: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    tls: Path | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        is_first = self.process is None
        self._start()
        # Another process may have taken the port meanwhile, or that of a cluster's bus; nobody knows ours yet.
        for _ in range(3):
            if self.process is None or self.process.poll() is None or not is_first:
                break
            self.port = free_port()
            self._start()
        assert self.process is not None, "redis-server was not started"
        assert self.process.poll() is None, "redis-server ended"

    def _start(self) -> None:
        port = (
            ["--port", str(self.port)] if self.tls is None else [*tls_options(self.tls), "--tls-port", str(self.port)]
        )
        command = ["redis-server", *port, "--bind", "127.0.0.1", "--dir", str(self.folder)]
        self.process = subprocess.Popen([*command, "--save", "", *self.options], stdout=subprocess.DEVNULL)
        process = self.process
        eventually(lambda: self.answers() or process.poll() is not None, 10)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except AuthenticationError:
            return True
        except RedisError:
            return False

    def client(self) -> Redis:
        if self.tls is None:
            return Redis(port=self.port, socket_timeout=5)
        return Redis(port=self.port, socket_timeout=5, ssl=True, ssl_ca_certs=str(self.tls / "ca.pem"))

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        if how in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


@contextmanager
def running_redis(folder: Path, *options: str, tls: Path | None = None) -> Iterator[RedisServer]:
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisServer(folder, options, tls=tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def tls_folder(folder: Path) -> Path:
    """Make a certificate authority, ca.pem, and a certificate of 127.0.0.1 and localhost, cert.pem and key.pem."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj"]
    signed = ["-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"]
    for command in (
        [*new, "/CN=test CA", "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem"],
        [*new, "/CN=localhost", "-keyout", "key.pem", "-out", "request"],
        ["openssl", "x509", "-req", "-days", "2", *signed, "-out", "cert.pem"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


def tls_options(folder: Path) -> list[str]:
    files = {"--tls-cert-file": "cert.pem", "--tls-key-file": "key.pem", "--tls-ca-cert-file": "ca.pem"}
    named = [part for name, file in files.items() for part in (name, str(folder / file))]
    return [*named, "--port", "0", "--tls-auth-clients", "no", "--tls-cluster", "yes", "--tls-replication", "yes"]


@dataclass
class SentinelDeployment:
    """A master, its replica, and the Sentinels that watch them. `url` has no database."""

    servers: Sequence[RedisServer]
    sentinels: Sequence[RedisServer]
    url: str

    @property
    def master(self) -> RedisServer:
        with self.sentinels[0].client() as client:
            _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
        return next(server for server in self.servers if server.port == int(port))

    def fail_over(self) -> None:
        """Kill the master, and wait until the other server has taken its place."""
        before = self.master
        before.kill()
        eventually(lambda: self.master is not before and self.master.answers(), 30)


@contextmanager
def running_sentinels(folder: Path) -> Iterator[SentinelDeployment]:
    """Run a master, a replica and three Sentinels, which fail over after half a second."""
    with ExitStack() as stack:
        master = stack.enter_context(running_redis(folder / "master"))
        replica_of = ["--replicaof", "127.0.0.1", str(master.port)]
        servers = [master, stack.enter_context(running_redis(folder / "replica", *replica_of))]
        eventually(lambda: _replicas(master) == 1, 20)
        sentinels = []
        for number in range(3):
            place = folder / f"sentinel-{number}"
            place.mkdir(parents=True)
            # A Sentinel rewrites its configuration file, and reads nothing of the kind from the command line.
            (place / "sentinel.conf").write_text(
                f"sentinel monitor main 127.0.0.1 {master.port} 2\nsentinel down-after-milliseconds main 500\n"
                "sentinel failover-timeout main 2000\n"
            )
            sentinels.append(stack.enter_context(running_sentinel(place)))
        eventually(lambda: all(_sees_all(sentinel) for sentinel in sentinels), 30)
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
        yield SentinelDeployment(servers, sentinels, f"redis-sentinel://{hosts}/main")


@contextmanager
def running_sentinel(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    command = ["redis-server", str(folder / "sentinel.conf"), "--port", str(server.port), "--bind", "127.0.0.1"]
    server.process = subprocess.Popen([*command, "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        eventually(server.answers, 10)
        yield server
    finally:
        server.stop()


def _replicas(master: RedisServer) -> int:
    with master.client() as client:
        info: Any = client.info("replication")
        return sum(info[f"slave{place}"]["state"] == "online" for place in range(info["connected_slaves"]))


def _sees_all(sentinel: RedisServer) -> bool:
    with sentinel.client() as client:
        told: Any = client.sentinel_master("main")
        return int(told["num-slaves"]) == 1 and int(told["num-other-sentinels"]) == 2


@contextmanager
def running_cluster(folder: Path, tls: Path | None = None) -> Iterator[str]:
    """Run a cluster of three masters; yields the state URL."""
    with ExitStack() as stack:
        servers = []
        for number in range(3):
            place = folder / str(number)
            servers.append(stack.enter_context(running_redis(place, "--cluster-enabled", "yes", tls=tls)))
        hosts = [f"127.0.0.1:{server.port}" for server in servers]
        command = ["redis-cli", "--cluster", "create", *hosts, "--cluster-yes"]
        if tls is not None:
            command += ["--tls", "--cacert", str(tls / "ca.pem")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
        eventually(lambda: all(_is_complete(server) for server in servers))
        if tls is not None:
            yield f"rediss-cluster://{','.join(hosts)}?ssl_ca_certs={tls / 'ca.pem'}"
        else:
            yield f"redis-cluster://{','.join(hosts)}"


def _is_complete(server: RedisServer) -> bool:
    with server.client() as client:
        info: Any = client.execute_command("CLUSTER INFO")
        return bool(info["cluster_state"] == "ok" and info["cluster_slots_ok"] == "16384")
