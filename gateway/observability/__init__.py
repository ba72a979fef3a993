"""Metrics and logs.

metrics      Prometheus metrics of requests, scorer, routing and backends
request_log_metrics  metrics of the request log
task_labels  labels of tasks in metrics: the busiest have their own
loop_lag     how late the event loop gets to its work
logs         log format, request log, sampling
"""
