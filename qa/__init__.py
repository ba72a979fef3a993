"""Programs that pass or fail: conformance of clients, faults of a distributed deployment, fuzzing.

conformance  the clients that people use, and HTTP by hand, against a gateway
faults       a distributed deployment, broken in a dozen ways, and counted
fuzzing      malformed requests, the OpenAPI document, and memory under sound requests
"""
