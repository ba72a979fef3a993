"""Fuzzing: malformed requests against a gateway, and many valid ones. No 500, no hang, no leak.

usage: python -m qa.fuzzing [--requests N] [--examples N] [--steady N] [--seed S] [--results FILE]

run      the command
mutate   a malformed request, drawn from a seed
broken   sends many of them
openapi  Schemathesis over the gateway's own OpenAPI document
steady   many valid requests, and the memory they leave allocated
servers  the gateway and its backend
backend  a program of its own: the backend
"""
