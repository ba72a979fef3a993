"""`benchroute init`: a configuration that starts, out of what there is on this machine.

providers  who is known: by a variable that holds a key, or a port on this machine
detect     which of them are there, and what models they have
choose     which of those models the configuration names
write      the file
command    all of it, as a command
"""

from gateway.cli.init.command import create_config

__all__ = ["create_config"]
