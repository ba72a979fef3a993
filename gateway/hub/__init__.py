"""Workers of one machine on a SQLite state: their parent has the scorer, and what their limits have in common.

Each worker opens the state's file itself, as every process may. A socket pair, which the worker inherits, connects it
with its parent; there is no path, and nobody else can connect.

messages  what travels between worker and parent
server    the parent's end: one scorer and one set of limits for all workers
thread    the thread of the parent in which that runs
link      a worker's end
scorer    scorer client of a worker
limits    what gateway.sharing.limits has in common, at the parent
node      a worker as one of several: changed settings, and the thread that syncs
"""
