"""`benchroute scorer` with the embedder of letters.

usage: python -m tests.gateway.distributed.scorer_program CONFIG [NICE]
"""

import logging
import sys
from pathlib import Path

from gateway.distributed.supervisor import ScorerSupervisor

COMMAND = (sys.executable, "-m", "tests.gateway.distributed.scorer_process")


def main() -> None:
    """Supervise scorer processes until SIGTERM."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    ScorerSupervisor(Path(sys.argv[1]), COMMAND, *map(int, sys.argv[2:])).run_until_stopped()


if __name__ == "__main__":
    main()
