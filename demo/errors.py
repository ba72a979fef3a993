"""Errors of the demo.

DemoError
├── ChildEnded      a program started by the demo has ended, with the tail of its log
├── NotReady        a program started by the demo does not answer in time, with the tail of its log
└── RequestFailed   a server answered with an error, or not at all
"""

from gateway.cli.errors import CliError


class DemoError(CliError):
    """The demo cannot continue; the message has the reason."""


class ChildEnded(DemoError):
    """A program that should be running has ended."""


class NotReady(DemoError):
    """A program does not answer in time."""


class RequestFailed(DemoError):
    """An HTTP request without a successful response."""
