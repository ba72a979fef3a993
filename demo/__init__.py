"""Demonstration of the product on real, small backends: questions, models that answer them, and new tasks.

questions    questions, generated from a seed
datasets/    makers of the benchmark's questions
tasks/       makers of the new tasks' questions, worded unlike any dataset
reading      numbers, dates and quotations in plain text
marking      grading of free-text answers
skills/      small solvers that read plain English
models       demo models: their skills and prices
judge        judge models of a stated accuracy, to measure judged labels
backend      OpenAI-compatible server of all models
ask          every model asked every question, graded
benchmark    tidy benchmark of the models
prepare      benchmark and pack, reused between runs
traffic      the new tasks' inputs, through the OpenAI client
results      routing against best on average and the oracle
printing     tables of the results
processes    child processes with a log
loopback     HTTP servers in a thread, for such stand-ins
providers    stand-ins for hosted providers, which list many models
first_day    a newcomer's first minutes with three API keys: init, serve, requests without tags
fetch        GET of a small JSON document
errors       error tree of the demo
run          the demo itself
ngram        a small language model with true log-likelihoods
endings      three of them, and multiple-choice questions for them: `bench run --logprobs` without a large model
"""
