"""`benchroute doctor`: what stands between a configuration and a gateway that works, and how to mend it.

    finding    one thing looked at: fine, worth knowing, or broken
    files      the configuration, what it must not show, the state
    redis      the state, where it is there
    packs      the pack, its embedder
    backends   whether they answer, and know their models
    machine    versions, the port, open files
    command    all of it, as a command

Nothing here prints a secret, sends a prompt, or changes anything.
"""

from gateway.cli.doctor.command import doctor

__all__ = ["doctor"]
