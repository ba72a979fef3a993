"""Programs that are kept running: real ones."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from gateway.processes.supervised_process import SupervisedProcess
from tests.gateway.waiting import eventually

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


class EndedMeanwhile(SupervisedProcess):
    """Is told to end while its program is being started: nobody knows of that program yet."""

    def _start(self) -> subprocess.Popen[bytes]:
        process = super()._start()
        self.terminate()
        return process


def test_one_that_ends_is_started_again_and_then_ends_when_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"open({str(log)!r}, 'a').write('x'); import time; time.sleep(600 if open({str(log)!r}).read() > 'x' else 0)"
    kept = SupervisedProcess("a program", [sys.executable, "-c", code])
    thread = threading.Thread(target=kept.run_until_stopped)
    thread.start()
    eventually(lambda: log.exists() and log.read_text() == "xx", 20)
    kept.terminate()
    thread.join(20)
    assert not thread.is_alive()


def test_one_that_is_told_to_end_while_it_starts_ends() -> None:
    begun = time.monotonic()
    EndedMeanwhile("a program", FOREVER).run_until_stopped()
    assert time.monotonic() - begun < 60
