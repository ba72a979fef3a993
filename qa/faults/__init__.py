"""Faults of a fleet: real processes, really killed, and then counted. `make faults`.

letters      an embedder that costs nothing, and dies of poison
scorer       `benchroute scorer` with it
"""
