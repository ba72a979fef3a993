"""Scoring beside the request path: a link in the gateway's process, and the scorer, a process of its own.

    messages    what the two say to each other
    frames      how a message travels over a socket
    link        the gateway's end: replies and restarts
    queue       observations on their way
    replies     questions that wait for answers
    process     the scorer's process as the gateway sees it
    child       the scorer's end: `python -m gateway.scorer.embedded.server`
    texts       the text of a request that is embedded
    aside       what people look at, beside that
    scorer      observations in, decisions out
    fold        one task's inputs, one after the other
    sums        a task's sums as bytes

All down to `process`, and `texts`, live in the gateway's process and import neither numpy nor routing.
"""
