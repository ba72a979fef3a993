"""What can go wrong in the command line itself, beside the errors of what it calls.

CliError
├── InputsError    inputs that cannot be read, named by file and line (exit code 2)
├── OptionError    an option that the pack cannot fulfil (exit code 2)
├── AdminRequestError     a gateway refuses, or is not there
└── CacheError     the cache of embeddings cannot be used
"""

from typing import ClassVar


class CliError(Exception):
    """Base of all; the message is for the person at the terminal."""

    exit_code: ClassVar[int] = 1


class InputsError(CliError):
    """A task's inputs cannot be read."""

    exit_code = 2


class OptionError(CliError):
    """An option asks for something that this pack does not have."""

    exit_code = 2


class AdminRequestError(CliError):
    """A gateway does not do what its admin asks."""


class CacheError(CliError):
    """The cache of embeddings is no such cache, or cannot be written."""
