"""HTTP endpoints besides the request path, on FastAPI but for the probes: tasks, packs, usage, management, operations.

lazy        the application, built at its first request
build       the application: routers, error handlers
openapi     the OpenAPI document, with the request path's endpoints and the probes
probes      health and metrics, without the application
responses   responses and errors in plain ASGI
middleware  body limit, request ID and cache header of every response
services    the services that endpoints use, and what a principal sees
dependencies  who may call an endpoint
request_faults  errors of bodies and parameters in our own words
schemas     request bodies
pagination  pages of all lists by cursor
tasks       tasks, decisions, overview
task_lists  which tasks a list shows
task_views  a task as JSON
task_changes  display names, merges and deletion of tasks
task_order  lists of tasks, sorted and filtered
scoring     endpoints that ask the scorer: inputs, labels, dry run, evidence, label suggestions, feedback
policies    policy overrides of tasks
packs       packs: list, comparison, activation, rollback
requests    the request log: list, one request, export
 request_filters  its filters, and whose requests a key sees
 request_views    a logged request as JSON
 request_export   the log as CSV and JSON, streamed
usage       usage by key and task
activity    history: requests, latency, cost and savings over a range
 activity_series  where it is read: the state, or memory
 activity_json    its counts as JSON
time_range  ranges of history, and their steps
management  client keys, configuration versions
operations  models, backends
"""
