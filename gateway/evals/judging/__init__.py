"""A judge model marks the candidates' answers to a task's own inputs, without references.

prompts   methods, prompts and their placeholders
verdicts  parsing of verdicts, each asked in two orders, with bounded retries
plan      the requests of a run, and their estimated cost
run       a complete run
tally     agreement of the judge with itself and with references, and the labels
inputs    the task's inputs, from a file or a session before
"""
