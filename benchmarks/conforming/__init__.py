"""Whether clients can tell the gateway from OpenAI, and whether it speaks HTTP/1.1 as it should.

upstream   a small backend that answers as OpenAI does
target     a gateway in front of it, both on loopback
checks     one thing tried, and what came of it
clients/   the real clients, one module each
http/      requests written by hand
"""
