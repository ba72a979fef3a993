"""Many gateways and many scorers on one Redis. The only room that talks to Redis.

    client       a connection to one server or a Cluster
    names        what lies where: keys, and the shard of a task
    scripts      the Lua calls: add, take, apply, park, forget, lease
    store        gateway.state.store.Store on Redis
    writing      a task's change as the arguments of one Lua call

Tasks are dealt out to shards by a hash of their name. All keys of a shard share a hash tag: its stream of observations,
its lease, and the state of every task in it. So one Lua call can check who holds the shard, write a batch's sums, rings
and decisions, acknowledge its observations and tell the gateways: all of it, or nothing.
"""
