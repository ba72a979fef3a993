"""Fault injection in a distributed deployment: real processes, really killed, then every observation is counted.

usage: python -m qa.faults [FAULT …] [--seconds S] [--repeats N] [--results FILE]

scenarios  the faults
clients    the faults that clients and orchestrators cause
stack      a whole deployment under load, and the count afterwards
programs   its processes: Redis, gateways, scorers, upstream
load       clients at a steady rate
material   packs and inputs
upstream   a program of its own: the backend
proxy      a TCP proxy that can drop everything
sentinel   a replica of Redis, and the Sentinel that watches both
wires      network namespaces and cables that can be cut
single     the same inputs scored by one program, for comparison
table      repeated runs as lines of a table
soak       a program of its own: memory under steady load
capacity   a program of its own: the constants of docs/scale.md's model
"""
