"""The request log with many requests: time of a page by filter, space, cost of a request, cost of retention.

    python -m benchmarks.request_log                     # a million requests in SQLite
    python -m benchmarks.request_log --store redis       # the same in a redis-server that it starts
    python -m benchmarks.request_log --cpu               # CPU of the log per request, against the gateway's

traffic  made-up requests of a busy gateway
fill     a store filled with them
pages    time of pages by filter
cost     CPU per request of the log's thread
"""
