"""Conformance: real clients, and HTTP/1.1 by raw sockets, against a gateway started as in production.

usage: python -m qa.conformance [--only NAME,…] [--fast] [--node FOLDER] [--results FILE]

run       the command
checks    one check, its outcome, and running many
clients   the client matrix: openai for Python and Node, curl, LangChain, litellm, a raw socket
http      the HTTP/1.1 sweep with raw sockets (RFC 9110, RFC 9112)
faults    the fault table: client's view and metrics while backends fail
upstream  a process that answers like OpenAI and records every byte of every exchange
servers   starts the upstream, and `benchroute serve` in front of it
report    tables, and results/conformance.json
"""
