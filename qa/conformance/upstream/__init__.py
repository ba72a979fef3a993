"""A process that answers like OpenAI and Anthropic, and records every exchange.

usage: python -m qa.conformance.upstream PORT

answers      OpenAI's whole responses, as functions of the request (https://platform.openai.com/docs/api-reference)
streams      the same responses as events
messages     Anthropic's responses, whole and as events
agent_tools  the tools that an answer calls
errors       refusals, by the model's name
scenarios    streams that end, pause or fail in a way of their own
other_paths  paths that take or give no JSON
models       the names of all models
instances    a value that a JSON Schema allows
faulty       a program of its own: backends that fail in every known way
"""
