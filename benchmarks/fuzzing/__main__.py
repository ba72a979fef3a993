"""See the package."""

import sys

from benchmarks.fuzzing.run import main

if __name__ == "__main__":
    sys.exit(main())
