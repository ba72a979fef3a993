"""HTTP messages: what the gateway reads from a request and a response, and the bytes it writes.

asgi             ASGI's types and the two messages of a response
azure            Azure OpenAI's paths, and requests of its clients
endpoints        the endpoints that are forwarded to backends, and their differences
headers          the gateway's own headers, and its reading of a request's
forwarding       headers that are forwarded, in both directions
content_coding   decompression of bodies, piece by piece
request_decoding compressed request bodies
paths            paths of the client's API, as clients write them
cors             cross-origin requests of browsers
read_body        reading of a request's body from ASGI, within its size limit
request_body     parsing of a request's body, and the body as it is forwarded
error_envelope   OpenAI's error envelope
sse              server-sent events: the end of a stream, an error within it, removal of its usage event
token_usage      token usage, read from a response as it passes
strict_protocol  uvicorn's HTTP/1.1 protocol with limits
write_timer      the time limit of a client that leaves its response unread
"""
