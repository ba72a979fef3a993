"""Health check of a scorer for orchestrators: `python -m gateway.distributed.health CONFIG`, exit code 0 or 1.

A scorer of this host's name must be live; while no pack is active, it is enough that Redis answers.
"""

import socket
import sys
from pathlib import Path

from gateway.config import Config, load_config
from gateway.distributed import packs, redis_keys
from gateway.distributed.leases import HEARTBEAT_MS
from gateway.distributed.redis_client import open_client
from gateway.distributed.scripts import HEARTBEAT
from gateway.errors import StateError


def find_fault(config: Config, host: str) -> str | None:
    """Return why the scorer is unhealthy; None where it is not."""
    client = open_client(config)
    try:
        live = [
            name.decode()
            for name in client.eval_script(HEARTBEAT, [client.keys.live(redis_keys.SCORERS)], ["", HEARTBEAT_MS])
        ]
        if any(name.startswith(f"{host}-") for name in live):
            return None
        if config.routing.pack is None and packs.active_pack(client) is None:
            return None
        return f"no scorer of {host} among the live ones: {', '.join(live) or 'none'}"
    except StateError as error:
        return str(error)
    finally:
        client.close_connections()


def main() -> None:
    """Print why the scorer is unhealthy, and exit with 1 then."""
    found = find_fault(load_config(Path(sys.argv[1])), socket.gethostname())
    if found is not None:
        sys.exit(found)


if __name__ == "__main__":
    main()
