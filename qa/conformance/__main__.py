"""See the package."""

import sys

from qa.conformance.run import main

if __name__ == "__main__":
    sys.exit(main())
