"""HTTP messages: what the gateway reads from a request and a response, and the bytes it writes.

asgi             ASGI's types and the two messages of a response
endpoints        the endpoints that are forwarded to backends, and their differences
headers          headers that are forwarded, the gateway's own, and its reading of a request's
read_body        reading of a request's body from ASGI, within its size limit
request_body     parsing of a request's body, and the body as it is forwarded
error_envelope   OpenAI's and Anthropic's error envelopes
sse              server-sent events of the gateway's own: comments and errors
sse_events       where events end, and what is in them
stream_protocol  what the events of each protocol mean: content, errors, the end
hidden_usage     removal of usage that the client did not ask for
token_usage      token usage, read from a response as it passes
strict_protocol  uvicorn's HTTP/1.1 protocol with limits
"""
