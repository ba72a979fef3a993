"""`benchroute doctor`: checks of a setup, with fixes. It prints no secret, sends no prompt, and changes nothing.

command  the command and its output
finding  result of a check: ok, warning or error
setup    configuration, file permissions, keys, state, versions, port, open files
keys         client keys: expiry, limits, use
redis_state  state in Redis: version, installation, eviction, persistence
routing  backends, pack, embedder
"""

from gateway.cli.doctor.command import doctor

__all__ = ["doctor"]
