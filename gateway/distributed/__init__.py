"""Everything that uses Redis: any number of gateways and scorers share one state.

redis_client    commands, errors translated
connect         connections to a server, a Cluster, or a master behind Sentinels
access          the least permissions that Redis must grant
redis_errors    what Redis' errors mean, and what to do
installation    which installation a Redis belongs to
redis_keys      keys, channels and the shard of a task
scripts         Lua calls, each atomic on one shard
usage_scripts   Lua calls on usage
history_scripts  Lua calls on minutes and hours of history
codec           everything as bytes in Redis, and arguments of Lua calls
store           the state store on Redis
store_records   its usage, keys and policies
store_directory  its templates of system prompts, and names and targets of tasks
store_history   its minutes and hours
request_log     the request log of all gateways
state_copy      keys, policies and usage, written back to a Redis that lost them
producer        idempotent producer of a gateway and a shard
crash_counters  counts of observations that outlive their gateway
transport       a gateway's exchange with Redis
client          scorer client of a gateway
shared_limits   what gateway.sharing.limits has in common, in Redis
gateway_node    a gateway as one of many: keys, policies and the active pack
leases          leases of shards, batches, dead letters
shard_worker    one shard's stream through a scorer service
scorer_worker   a scorer's share of the shards
scorer_main     entry point of a scorer's process
supervisor      `benchroute scorer`: restarts that process
packs           packs in Redis, and which one is active
pack_library    packs in Redis, for the management endpoints
health          health check of a scorer, for orchestrators
"""
