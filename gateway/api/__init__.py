"""Everything but the request path, on FastAPI: models, tasks, the dry run, keys, configurations, health and metrics.

services   what the endpoints work with
bodies     the bodies they take
accounts   a task as its endpoint shows it
models, tasks, decisions, usage, keys, configuration, operations   the endpoints
errors     every error in OpenAI's envelope
described  the OpenAPI document, the request path's endpoints among them
build      all of it in one application
"""
