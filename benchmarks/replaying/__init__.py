"""Replay of a benchmark's recorded outcomes through a gateway, checked against the library.

run        the replay from start to end
material   the benchmark, split into the pack's part and the held-out part
packing    the pack of the first part, reused between runs
recording  the file of recorded outcomes that the backend answers from
backend    a server that answers for every model from that file
servers    that backend and a gateway in front of it, as processes
traffic    the held-out inputs over HTTP
offline    the same inputs through the library, without a gateway
checking   comparison of both
results    accuracy and cost, relative to best on average and to the oracle
printing   the tables

The router never sees an outcome of a held-out dataset: only the backend and the grading do.
"""
