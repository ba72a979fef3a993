"""The gateway as a service: composition, reload, processes.

serve            uvicorn with the gateway, until it is told to stop
graceful_server  uvicorn's server: drain and shutdown
announcement     URLs and files that a gateway logs once it listens
front            steps before the endpoints: spelling of paths, upgrades, CORS
listener         a listening socket, and the limit of file descriptors
refusals         connections that are refused with a response
nodes            a gateway among others: with a parent, with Redis, or alone
workers          several gateways that share a port
app              composition: every part is built here and given what it needs
build_serving    the objects that answer requests by a configuration
runtime          changes of a running gateway: configuration, pack, policies
ledger_writer    writes usage to the store once a second
template_writer  stores and shares templates of system prompts
task_manager     names, merges and deletion of tasks
history_writer   writes history to the store every few seconds
telemetry        OpenTelemetry, where it is configured
request_logging  the request log: its store, its thread, what it takes
"""
