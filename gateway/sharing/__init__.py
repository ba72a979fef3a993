"""State that gateways on one state share, whatever carries it: Redis, or the parent of a machine's workers.

limits      rate limits, budgets, sessions, makers of responses and breakers of one gateway, synced with the others'
buckets     common token buckets in memory
changes     created keys, policies and task entries that another gateway has changed
event_loop  calls from a thread into the event loop
node        a gateway as one of several
"""
