"""State of tasks, keys, policies and usage, kept over restarts. The Redis store is in gateway.distributed.

store           the contract of every store, and the records it holds
state_file      the file of a SQLite state: mode, claim by one gateway, and what is wrong with a damaged one
sqlite          a SQLite file: the embedded deployment
sqlite_file     its connections and transactions
sqlite_schema   its schema, and the steps from earlier ones
sqlite_rows     its rows of tasks and decisions
sqlite_records  its usage, keys and policies
sqlite_directory  its templates of system prompts, and the names and targets of tasks
sqlite_history  its minutes and hours
backup          a copy of a SQLite state in use, and its return
compression     compression of tasks with few inputs
"""
