"""The process of a distributed scorer: its settings, and its log."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from gateway.config import parse_config
from gateway.distributed.redis_client import RedisClient
from gateway.distributed.scorer_main import PackManager
from gateway.state.sqlite import SqliteStore
from routing.calibration import RoutingSettings
from tests.gateway.distributed.deployments import fleet_config, letters_pack
from tests.gateway.letters import UNAVAILABLE, Letters
from tests.gateway.packs import saved_pack
from tests.gateway.redis_servers import RedisServer
from tests.gateway.serving import configuration
from tests.gateway.waiting import eventually


def test_every_routing_parameter_of_the_configuration_reaches_its_library(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """Each is another number than the library's own."""
    own = {"k": 3, "kappa": 7, "threshold": 0.75, "sigma": 0.2, "eta": 0.9}
    assert set(own) == {field.name for field in fields(RoutingSettings)}
    pack = letters_pack(tmp_path / "pack")
    text = configuration(
        "http://127.0.0.1:1", ("good",), state={"url": redis_server.url}, routing={"pack": str(pack), **own}
    )
    config, client = parse_config(text, "config.yaml", {}), RedisClient(redis_server.url)
    manager = PackManager(client, config, lambda path, manifest: Letters())
    manager.check_packs()
    context = manager.current_context()
    assert context is not None
    service = context.service(SqliteStore(str(tmp_path / "state.db")))
    assert service.tasks.router.settings == RoutingSettings(**own)  # type: ignore[arg-type]
    client.close_connections()


def test_it_logs_json_when_asked(redis_server: RedisServer, tmp_path: Path) -> None:
    """The supervisor and the process that it starts, which refuses a pack of an embedder that nobody has."""
    text = fleet_config(
        "http://127.0.0.1:1", redis_server.url, tmp_path, saved_pack(tmp_path / "pack", Letters(name=UNAVAILABLE))
    )
    config, log = tmp_path / "config.yaml", tmp_path / "log"
    config.write_text(f"{text}\nlog: {{format: json}}\n")
    command = [sys.executable, "-m", "gateway.cli", "scorer", "--config", str(config)]
    with log.open("wb") as file, subprocess.Popen(command, stderr=file, start_new_session=True) as process:
        try:
            eventually(lambda: "pack or policies not changed" in log.read_text(), 30)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)  # upon which the supervisor logs, too
            eventually(lambda: "exited with code" in log.read_text(), 30)
        finally:
            process.terminate()
            process.wait(15)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["logger"] for line in lines} >= {"benchroute", "benchroute.scorer"}
    assert all({"at", "level", "message"} <= set(line) for line in lines)
