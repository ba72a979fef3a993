"""State of tasks, keys, policies and usage, kept over restarts. The Redis store is in gateway.distributed.

store   the contract of every store, and the records it holds
sqlite  a SQLite file: the embedded deployment
"""
