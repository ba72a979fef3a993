"""`python -m qa.faults.scorer CONFIG [NICE]`: what `benchroute scorer` runs, with the letters' embedder."""

import logging
import sys
from pathlib import Path

from gateway.distributed.supervisor import ScorerSupervisor

COMMAND = (sys.executable, "-m", "qa.faults.process")


def main() -> None:
    """Until SIGTERM."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    ScorerSupervisor(Path(sys.argv[1]), COMMAND, *map(int, sys.argv[2:])).run_until_stopped()


if __name__ == "__main__":
    main()
