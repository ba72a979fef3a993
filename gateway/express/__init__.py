"""The request path below ASGI: requests answered from the sockets' callbacks, without a task or a queue between them.

    protocol    a client's connection: which requests go this way, and uvicorn's way for all others
    exchange    one request, from its head to its answer's last byte
    sweep       deadlines, looked at a few times a second

It takes what needs no waiting but for one backend: a chat completion or the like that is sent whole. Whatever turns out
otherwise before the answer has begun (a refusal, a backend that fails, an answer that is kept) is handed to the lane,
which goes on where this stopped; so the rules stand there, once.
"""
