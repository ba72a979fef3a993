"""The request log: a row for every request, from the accounting batch to pages of a list.

entry      the fields of a logged request
blocks     rows in blocks of columns: what is stored
filters    filters of a list, and the rows of a block that match
values     values that occur in a column, for suggestions
pages      pages over the blocks of a store, newest or oldest first
storage    the contract of a store of blocks
sqlite     blocks in a SQLite file beside the state
compactor  small blocks, merged until they are full
writer     the thread that writes
access     the log as endpoints read it
bodies     prompts and answers as text: redacted, without media, bounded

Redis: gateway.distributed.request_log. Nothing here knows a request's record: gateway.proxy.log_rows makes the rows.
"""
