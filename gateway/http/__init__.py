"""HTTP messages: what the gateway reads from a request and a response, and the bytes it writes.

asgi             ASGI's types and the two messages of a response
endpoints        the endpoints that are forwarded to backends, and their differences
headers          headers that are forwarded, and the gateway's own
request_head     the gateway's reading of a request's headers
read_body        reading of a request's body from ASGI, within its size limit
request_body     parsing of a request's body, and the body as it is forwarded
error_envelope   OpenAI's error envelope
sse              server-sent events: the end of a stream, and an error within it
usage_filter     removal of the usage event that the client did not ask for
token_usage      token usage, read from a response as it passes
strict_protocol  uvicorn's HTTP/1.1 protocol with limits
"""
