"""A process that answers like OpenAI (https://platform.openai.com/docs/api-reference) and records every exchange.

usage: python -m qa.conformance.upstream PORT

answers    whole responses, as functions of the request
streams    the same responses as events
instances  a value that a JSON Schema allows
faulty     a program of its own: backends that fail in every known way
"""
