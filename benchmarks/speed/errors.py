"""What keeps a run from being made.

SpeedError
├── NotReady   a program is missing, or does not answer
└── Failed     answers were no successes
"""


class SpeedError(Exception):
    """Base of all."""


class NotReady(SpeedError):
    """A program is missing, or does not begin to answer."""


class Failed(SpeedError):
    """Answers under load were no successes, so their cost means nothing."""
