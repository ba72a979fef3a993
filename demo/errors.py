"""What can go wrong in a demo.

DemoError
├── ChildEnded      a program that the demo started has ended, with the tail of its log
├── NotReady        a program that the demo started does not answer in time, with the tail of its log
└── WrongAnswer     a server answered with an error where the demo needs an answer
"""

from gateway.cli.errors import CliError


class DemoError(CliError):
    """The demo cannot go on; the message says why."""


class ChildEnded(DemoError):
    """A program that was to stay has ended."""


class NotReady(DemoError):
    """A program does not answer in time."""


class WrongAnswer(DemoError):
    """An HTTP answer that is no success."""
