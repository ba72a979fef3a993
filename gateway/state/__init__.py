"""State of tasks, keys, policies and usage, kept over restarts. The Redis store is in gateway.distributed.

store   the contract of every store, and the records it holds
state_file  the file of a SQLite state: mode, and claim by one gateway
schema  tables of a SQLite file, and migrations
sqlite  a SQLite file: the embedded deployment
"""
