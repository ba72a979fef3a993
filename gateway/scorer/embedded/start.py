"""Entry point of the scorer of one gateway: `python -m gateway.scorer.embedded.start FD PID`.

FD is a socket to the gateway, whose process ID is PID. Importing the scorer takes seconds: a gateway that dies
meanwhile must end it too, so this module imports little.
"""

import sys

from gateway.processes.parent import end_with_parent


def main() -> None:
    """Run the scorer until the gateway closes the socket or dies."""
    end_with_parent(int(sys.argv[2]))
    from gateway.scorer.embedded.server import serve_gateway

    serve_gateway(int(sys.argv[1]))


if __name__ == "__main__":
    main()
