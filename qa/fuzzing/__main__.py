"""Entry point of `python -m qa.fuzzing`."""

import sys

from qa.fuzzing.run import main

if __name__ == "__main__":
    sys.exit(main())
