"""Replays the recorded outcomes of a real benchmark through a gateway, and checks it against the library.

Where to start reading:

    run          the replay from end to end
    material     the benchmark, split into what the pack may know and what is held out
    packing      the pack of the rest, kept from run to run
    backend      a server that answers for every model from the recorded outcomes
    servers      that backend and a gateway in front of it, as programs of their own
    traffic      the held-out inputs over HTTP
    offline      the same inputs through the library, one by one, without any gateway
    checking     whether both say the same
    results      accuracy and cost, against best on average and the oracle
    printing     the tables

The router never sees an outcome of a held-out dataset: only the backend and the marking do.
"""
