"""A small distributed deployment: a Redis, gateways in this process, scorers in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gateway.letters import Letters
from tests.gateway.packs import saved_pack
from tests.gateway.serving import configuration

MODELS = ("good", "other", "slow")


def letters_pack(folder: Path, models: Sequence[str] = MODELS, **about: int) -> Path:
    return saved_pack(folder, Letters(), models, **about)


def fleet_config(base_url: str, redis_url: str, folder: Path, pack: Path | None, **state: Any) -> str:
    routing = {} if pack is None else {"routing": {"pack": str(pack)}}
    return configuration(
        base_url, MODELS, state={"url": redis_url, "cache_dir": str(folder / "cache"), "shards": 4, **state}, **routing
    )


@dataclass
class Scorer:
    process: subprocess.Popen[bytes]

    def worker_pid(self) -> int:
        """The process ID of the supervisor's child."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)


@contextmanager
def running_scorer(config: Path) -> Iterator[Scorer]:
    command = [sys.executable, "-m", "tests.gateway.distributed.scorer_program", str(config), "0"]
    scorer = Scorer(subprocess.Popen(command, start_new_session=True))
    try:
        yield scorer
    finally:
        scorer.end()
