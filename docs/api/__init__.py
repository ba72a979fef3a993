"""The API reference with a request and an answer for every endpoint: `python -m docs.api` asks a gateway and writes it.

calls      the calls of calls.toml, in the order in which they are made
provider   a provider on loopback: OpenAI's and Anthropic's endpoints with fixed answers
run        a gateway in front of it, and the calls through it
snippets   a call as curl, Python and TypeScript
pages      the pages
"""
