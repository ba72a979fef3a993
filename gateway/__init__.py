"""The service: an OpenAI-compatible gateway around the routing library.

From top to bottom; a package imports only what is below it, see the layers in pyproject.toml.

cli            commands: benchroute …
server         composition, reload, processes of the gateway
distributed    everything that uses Redis
api            management endpoints
otel           traces and metrics for a collector
proxy          one request, from its first byte to its response's last
tasks          decision table, policies, overrides
evals          benchmarks of your own models
scorer         from observed inputs to decisions
keys           authentication, client keys, quotas
state          the store's contract, and SQLite
packs          manifests, reports, and the library of packs
usage          ledger and time series
upstream       backends, load balancing, failover
config         config.yaml and its history
ui             files of the dashboard
http           HTTP messages: headers, bodies, events
observability  metrics and logs
processes      child processes, and set-up of the own one
loop_share     work of the event loop, in slices
offload        work in a thread beside the event loop
errors         error tree
vocabulary     constants that several packages share
decision       the decision of a task, and its explanation
task_records   templates of system prompts, and names and targets of tasks
"""
