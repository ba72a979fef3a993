"""HTTP messages: what the gateway reads from a request and a response, and the bytes it writes.

asgi              ASGI's types and the two messages of a response
azure             Azure OpenAI's paths, and requests of its clients
endpoints         the endpoints that are forwarded to backends, and their differences
headers           the gateway's own headers, and its reading of a request's
head_pattern      heads that come again, as bytes
forwarding        headers that are forwarded, in both directions
content_coding    decompression of bodies, piece by piece
request_decoding  compressed request bodies
paths             paths of the client's API, as clients write them
cors              cross-origin requests of browsers
read_body         reading of a request's body from ASGI, within its size limit
json_members      a JSON object as its members, compiled where it can be
request_body      parsing of a request's body, and the body as it is forwarded
error_envelope    OpenAI's and Anthropic's error envelopes
sse               server-sent events of the gateway's own: comments and errors
sse_events        where events end, and what is in them
stream_protocol   what the events of each protocol mean: content, errors, the end
hidden_usage      removal of usage that the client did not ask for
token_usage       token usage, read from a response as it passes
strict_protocol   uvicorn's HTTP/1.1 protocol with limits
chunks            chunks of a body that come whole
write_timer       the time limit of a client that leaves its response unread
"""
