"""The request path: a call to a backend from its first byte to its last.

    lane       one request, step by step
    read       the body, within its size limit
    tag        which task a request belongs to, and where it may go
    forward    backends in order until one answers
    relay      the answer back to the client
    outcome    what is said of a request: headers
    account    what is counted of it
    telling    its line in the log
    tracing    its place in a trace, where there is one

Nothing here embeds, searches, or waits for anything but the backend. Never imports routing or the scorer's side.
"""
