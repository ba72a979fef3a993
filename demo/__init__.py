"""A demonstration of the product on real, small backends: questions, models that answer them, and new tasks.

Where to start reading:

    questions    what a question is; seeded generation
    datasets/    the makers of the benchmark's questions
    tasks/       the makers of the new tasks' questions, worded unlike any dataset
    marking      how good an answer is
    skills/      little solvers that read plain English
    models       the demo models: which skills each has, and what it charges
    backend      all of them behind one OpenAI-compatible server
    benchmark    asks every model every question, marks, writes a tidy benchmark
    prepare      the benchmark and the pack, kept from run to run
    traffic      the new tasks' inputs, through the OpenAI client
    results      what came of it, against best on average and the oracle
    run          the demo itself
    ngram        a small language model with true log-likelihoods
    endings      three of them, and multiple-choice questions for them: `bench run --logprobs` without a large model
"""
