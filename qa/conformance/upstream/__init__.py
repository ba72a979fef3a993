"""A process that answers like OpenAI (https://platform.openai.com/docs/api-reference) and remembers what it saw.

usage: python -m qa.conformance.upstream PORT
"""
