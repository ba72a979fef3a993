"""Redis, where the state is there: whether it answers, and is new enough."""

from collections.abc import Iterator

from gateway.cli.doctor.finding import Finding, make_error, make_ok
from gateway.errors import StateError

OLDEST = 7
"""The scripts declare what they do, which Redis 7 brought (https://redis.io/docs/latest/develop/programmability/)."""


def check_redis(url: str) -> Iterator[Finding]:
    """One finding for each version among its servers."""
    try:
        from gateway.distributed.redis_client import RedisClient, mask_password
    except ImportError:
        yield make_error("state", "Redis' client is not installed", "pip install 'benchroute[redis]'")
        return
    shown = mask_password(url)
    try:
        versions = sorted(set(_versions(RedisClient(url).execute("INFO", "server"))))
    except StateError as error:
        yield make_error("state", f"{shown}: {error}", "start it, or mend state.url")
        return
    for version in versions:
        if _major(version) < OLDEST:
            yield make_error("state", f"{shown} is Redis {version}", f"Redis {OLDEST} or newer is needed")
        else:
            yield make_ok("state", f"{shown}: Redis {version}")


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
