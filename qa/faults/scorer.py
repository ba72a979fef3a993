"""`python -m qa.faults.scorer CONFIG [NICE]`: what `benchroute scorer` runs, with the letters' embedder."""

import logging
import sys
from pathlib import Path

from gateway.distributed.supervisor import Supervisor

COMMAND = (sys.executable, "-m", "qa.faults.process")


def main() -> None:
    """Until SIGTERM."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    Supervisor(Path(sys.argv[1]), COMMAND, *map(int, sys.argv[2:])).run()


if __name__ == "__main__":
    main()
