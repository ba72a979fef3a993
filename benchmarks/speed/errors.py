"""Errors of the speed benchmark.

SpeedError
├── NotReady   a program is missing, or does not answer
└── Failed     responses under load were errors
"""


class SpeedError(Exception):
    """Base class."""


class NotReady(SpeedError):
    """A program is missing, or does not answer."""


class Failed(SpeedError):
    """Responses under load were errors, so their cost means nothing."""
