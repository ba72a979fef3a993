"""The least permissions that gateways and scorers need of Redis, as an ACL user (https://redis.io/docs/latest/operate/
oss_and_stack/management/security/acl/)."""

from gateway.distributed.redis_keys import KeySpace

COMMANDS = (
    *("del", "eval", "evalsha", "exists", "expire", "get", "pexpire", "select", "set", "time"),
    *("hdel", "hget", "hgetall", "hincrby", "hmget", "hscan", "hset", "hsetnx", "hvals"),
    *("lrange", "ltrim", "rpush", "sadd", "smembers"),
    *("zadd", "zcard", "zdiff", "zmscore", "zpopmin", "zrange", "zrem", "zremrangebyrank", "zremrangebyscore", "zscan"),
    *("xack", "xadd", "xautoclaim", "xdel", "xgroup|create", "xlen", "xpending", "xrange", "xreadgroup"),
    *("publish", "subscribe", "unsubscribe"),
)
"""Commands of gateways, scorers and commands of the command line; those of scripts among them."""

CLUSTER_COMMANDS = ("asking", "cluster|slots", "command")
"""With which a client finds the nodes of a Cluster."""

DOCTOR_COMMANDS = ("config|get", "info")
"""With which `benchroute doctor` reads version, eviction and persistence."""


def acl_rules(keys: KeySpace, *, is_cluster: bool = False, has_doctor: bool = True) -> list[str]:
    """Return the rules of ACL SETUSER: keys, channels and commands; the user's name and password come before them."""
    commands = [*COMMANDS, *(CLUSTER_COMMANDS if is_cluster else ()), *(DOCTOR_COMMANDS if has_doctor else ())]
    return [
        "resetkeys",
        "resetchannels",
        "-@all",
        f"~{keys.prefix}:*",
        f"&{keys.prefix}:*",
        *(f"+{c}" for c in commands),
    ]
