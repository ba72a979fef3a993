"""Embedded scorer: a child process of the gateway, on a socket pair.

client   starts and restarts the process, sends observations, receives decisions
process  the child process as the gateway sees it
framing  length-prefixed msgpack messages
start    entry point of the child process
server   the child process: reads messages, scores, answers
"""
