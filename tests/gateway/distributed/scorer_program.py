"""`benchroute scorer` with the embedder of letters.

usage: python -m tests.gateway.distributed.scorer_program CONFIG [NICE]
"""

import sys
from pathlib import Path

from gateway.distributed.supervisor import ScorerSupervisor
from gateway.processes.startup import configure_process

COMMAND = (sys.executable, "-m", "tests.gateway.distributed.scorer_process")


def main() -> None:
    """Supervise scorer processes until SIGTERM."""
    configure_process()
    ScorerSupervisor(Path(sys.argv[1]), COMMAND, *map(int, sys.argv[2:])).run_until_stopped()


if __name__ == "__main__":
    main()
