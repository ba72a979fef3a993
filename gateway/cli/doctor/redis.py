"""Redis, where the state is there: whether it answers, and is new enough."""

from collections.abc import Iterator

from gateway.cli.doctor.finding import Finding, fault, ok
from gateway.errors import StateError

OLDEST = 7
"""The scripts declare what they do, which Redis 7 brought (https://redis.io/docs/latest/develop/programmability/)."""


def redis(url: str) -> Iterator[Finding]:
    """One finding for each version among its servers."""
    try:
        from gateway.distributed.redis_client import Client, without_secret
    except ImportError:
        yield fault("state", "Redis' client is not installed", "pip install 'benchroute[redis]'")
        return
    shown = without_secret(url)
    try:
        versions = sorted(set(_versions(Client(url).ask("INFO", "server"))))
    except StateError as error:
        yield fault("state", f"{shown}: {error}", "start it, or mend state.url")
        return
    for version in versions:
        if _major(version) < OLDEST:
            yield fault("state", f"{shown} is Redis {version}", f"Redis {OLDEST} or newer is needed")
        else:
            yield ok("state", f"{shown}: Redis {version}")


def _versions(told: object) -> Iterator[str]:
    """What one server says of itself, or each of a Cluster by its name."""
    if isinstance(told, dict) and "redis_version" in told:
        yield str(told["redis_version"])
    elif isinstance(told, dict):
        for one in told.values():
            yield from _versions(one)


def _major(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isdigit() else 0
