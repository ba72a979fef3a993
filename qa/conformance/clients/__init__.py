"""Clients of the development environment: one module per client, each with its CHECKS.

material       requests that all clients send, and the upstream's expected responses
openai_python  openai for Python, synchronous
openai_async   openai for Python, asynchronous: concurrency, abandoned streams
openai_errors  openai for Python: exceptions
raw_socket     a raw socket: bytes on the wire
curl           the curl program
node           openai for Node
langchain      LangChain's ChatOpenAI
litellm_sdk    litellm's SDK
"""
