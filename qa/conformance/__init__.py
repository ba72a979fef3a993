"""Real clients, and HTTP/1.1 as its specification has it, against a gateway as anybody would start it.

usage: python -m qa.conformance [--only NAME,…] [--fast] [--node FOLDER] [--results FILE]

checks    what one check is, and how all of them are run
clients   the client matrix: openai for Python and Node, curl, LangChain, litellm, a bare socket
http      the HTTP/1.1 sweep with raw sockets (RFC 9110, RFC 9112)
upstream  a process that answers like OpenAI and remembers every byte of every exchange
servers   starts the upstream, and `benchroute serve` in front of it
report    tables, and results/conformance.json
"""
