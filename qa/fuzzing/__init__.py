"""Wrong requests against a gateway, and many right ones: no 500, no hang, no leak.

mutate     a request with something wrong in it
broken     many of them, byte by byte
openapi    Schemathesis, over the gateway's own OpenAPI document
steady     many sound requests, and what memory they leave taken
servers    the gateway and the small backend they all go to
run        the command
"""
