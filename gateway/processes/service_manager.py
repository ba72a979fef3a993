"""Messages to the service manager, as sd_notify(3) defines them: one datagram to the socket that NOTIFY_SOCKET names.

Without that variable, as in a terminal or a container, nothing is sent.
"""

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger("benchroute")

READY, STOPPING = "READY=1", "STOPPING=1"
VARIABLE = "NOTIFY_SOCKET"


def notify_service_manager(message: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send a message; never raises. Return True if it was sent."""
    address = environment.get(VARIABLE, "")
    # A path, or with @ a name in Linux's abstract namespace; anything else is not a socket of this machine.
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.connect("\0" + address[1:] if address.startswith("@") else address)
            sending.sendall(message.encode())
    except OSError as error:
        log.warning("the service manager cannot be notified at %s: %s", address, error.strerror or error)
        return False
    return True
