"""Entry point of `python -m qa.conformance`."""

import sys

from qa.conformance.run import main

if __name__ == "__main__":
    sys.exit(main())
