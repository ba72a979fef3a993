"""Bytes on the wire: what a client's body says, how it is forwarded, how errors and streams look.

body      the members of a request body that the gateway reads, and the body as it is forwarded
operations  the endpoints that go to backends
envelope  OpenAI's error envelope
headers   the headers that go through, and our own
sse       server-sent events
"""
