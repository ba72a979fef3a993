"""Conformance: real clients, and HTTP/1.1 by raw sockets, against a gateway started as in production.

usage: python -m qa.conformance [--only NAME,…] [--clients NAME,…] [--fast] [--node FOLDER] [--results FILE]

run       the command
checks    one check, its outcome, and running many
clients   what clients of the development environment get: openai, curl, LangChain, litellm, a raw socket
matrix    client x feature, each asked directly and through the gateway, in environments of the clients' own
drivers   the programs of the matrix
http      the HTTP/1.1 sweep with raw sockets (RFC 9110, RFC 9112)
faults    the fault table: client's view and metrics while backends fail
upstream  a process that answers like OpenAI and Anthropic, and records every byte of every exchange
servers   starts the upstream, and `benchroute serve` in front of it
report    tables, and results/conformance.json
"""
