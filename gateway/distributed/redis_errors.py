"""What Redis' errors mean, and what to do about them. Codes: https://redis.io/docs/latest/develop/reference/protocol-spec/."""

from collections.abc import Sequence

from redis.exceptions import AuthenticationError, BusyLoadingError, ResponseError
from redis.sentinel import MasterNotFoundError

MAX_SHOWN = 120
"""Characters of a command, and of a message, that an error shows: keys and values can be long."""

ADVICE = (
    ("WRONGTYPE", "another program writes this key, or it was altered: set state.prefix, or delete the key"),
    ("OOM ", "Redis is full: raise its maxmemory"),
    ("READONLY", "this server is a replica: use the master's address, or redis-sentinel://"),
    ("LOADING", "Redis is loading its data and will answer when it has"),
    ("MISCONF", "Redis cannot write its snapshot and refuses changes: see its log"),
    ("NOPERM", "the ACL user lacks a permission: docs/scale.md lists those that are needed"),
    ("NOAUTH", "put user and password into state.url"),
    ("WRONGPASS", "correct user and password in state.url"),
    ("CLUSTERDOWN", "some of the Cluster's slots are served by no node"),
    ("unknown command", "Redis 7 or newer is required, and no command may be renamed"),
)
"""Next steps, by what a message contains."""


def describe_error(error: Exception, command: Sequence[object] = ()) -> str:
    """Return one line: the command and its first key, what Redis or the network said, and what to do."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MasterNotFoundError):
        return f"{_shorten(said)}; check the master's name in state.url, and the Sentinels' addresses"
    if isinstance(error, BusyLoadingError) and "LOADING" not in said:
        said = f"LOADING {said}"
    if isinstance(error, AuthenticationError):
        return f"{_shorten(said)}; correct user and password in state.url"
    where = f"{_describe_command(command)}: " if command and isinstance(error, ResponseError) else ""
    kinds = f"{type(error).__name__} {said}"
    step = next((advice for code, advice in ADVICE if code in kinds or _class_of(code) in kinds), "")
    return f"{where}{_shorten(said)}" + (f"; {step}" if step else "")


def _describe_command(command: Sequence[object]) -> str:
    """Return a command's name and first key: what follows can be a secret, or long."""
    return _shorten(" ".join(_text(part) for part in command[:2]))


def _text(part: object) -> str:
    return part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part)


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_SHOWN * 2 else f"{text[: MAX_SHOWN * 2]}…"


def _class_of(code: str) -> str:
    """Return redis-py's class for a code: it cuts some codes off the messages."""
    names = {
        "OOM ": "OutOfMemoryError",
        "READONLY": "ReadOnlyError",
        "NOPERM": "NoPermissionError",
        "CLUSTERDOWN": "ClusterDownError",
    }
    return names.get(code, code)
