"""A benchmark of your own models: ask them through the gateway's backends, grade, write the tidy format.

questions  questions, grading rules, requests
dataset    parser of labelled files
estimate   cost before asking
ask        concurrent requests to models, with retries
read_response  await the whole response of a backend
answers    parser of responses, journal of answers
marking    grading by rule, and by a judge model
results    outcomes, missing outcomes, the tidy files
session    client, journal, progress and spending limit of a run
run        a complete run
judging/   a judge model marks answers to a task's own inputs
errors     error tree
"""
