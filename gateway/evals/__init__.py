"""A benchmark of your own models: asked through the gateway's client, marked, written in the tidy format.

Where to start reading:

    questions    what a question is, and what is sent of it
    dataset      a labelled file in, questions out, or every fault of it
    marking      how good an answer is, by rule
    judge        how good an answer is, by a model's verdict
    estimate     what asking will cost, before it is asked
    ask          one model, one question, through the gateway's own client; and many of them at a time
    answers      what a backend's answer says: text, tokens, log-likelihood
    journal      every answer as it comes, so that an interrupted run goes on where it was
    results      outcomes, what is missing, the tidy files
    run          all of it
"""
