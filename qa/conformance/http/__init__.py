"""The HTTP/1.1 sweep: raw sockets on one side, the upstream's memory on the other.

connection   a socket, and a strict reader of answers
cases        what a case sends and expects, as data
framing      Content-Length, chunks, trailers (RFC 9112, 6 and 7)
smuggling    what two parsers could read differently (RFC 9112, 11.2)
targets      request targets, methods, Host, upgrades (RFC 9112, 3)
limits       headers and bodies without end, clients without haste
connections  pipelining, reuse, half-closed sockets (RFC 9112, 9)
uploads      100-continue (RFC 9110, 10.1.1), encodings, JSON that hurts
aftermath    the gateway's log, and whether it has come to rest
"""
