"""Metrics and logs.

metrics  Prometheus metrics of requests, scorer, routing and backends
logs     log format, request log, sampling
"""
