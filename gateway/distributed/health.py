"""Whether a scorer works, for who starts and stops them: `python -m gateway.distributed.health CONFIG`, exit code 0 or 1.

One of this machine's name must be there; as long as no pack is active, it is enough that Redis answers.
"""

import socket
import sys
from pathlib import Path

from gateway.config import Config, load_config
from gateway.distributed import packs, redis_keys
from gateway.distributed.leases import PRESENT_MS
from gateway.distributed.redis_client import Client
from gateway.distributed.scripts import PRESENT
from gateway.errors import StateError


def fault(config: Config, host: str) -> str | None:
    """What is wrong; None where nothing is."""
    client = Client(config.state.url, shards=config.state.shards)
    try:
        there = [name.decode() for name in client.run(PRESENT, [redis_keys.SCORERS], ["", PRESENT_MS])]
        if any(name.startswith(f"{host}-") for name in there):
            return None
        if config.routing.pack is None and packs.active(client) is None:
            return None
        return f"no scorer of {host} is among {', '.join(there) or 'none'}"
    except StateError as error:
        return str(error)
    finally:
        client.close()


def main() -> None:
    """Says what is wrong, and ends with 1."""
    found = fault(load_config(Path(sys.argv[1])), socket.gethostname())
    if found is not None:
        sys.exit(found)


if __name__ == "__main__":
    main()
