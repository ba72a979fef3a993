"""The HTTP/1.1 sweep: raw sockets on one side, the upstream's record of exchanges on the other.

connection   a socket, and a strict reader of responses
cases        a case as data: bytes to send, expected responses
framing      Content-Length, chunks, trailers (RFC 9112, 6 and 7)
smuggling    requests that two parsers could read differently (RFC 9112, 11.2)
targets      request targets, methods, Host, upgrades (RFC 9112, 3)
limits       unbounded headers and bodies, slow clients
connections  pipelining, reuse, half-closed sockets (RFC 9112, 9)
uploads      100-continue (RFC 9110, 10.1.1), content codings, hostile JSON
aftermath    the gateway's log and its requests in flight after the sweep
"""
