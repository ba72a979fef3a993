"""Little solvers that read plain English. Each returns an answer, or None where it cannot make sense of the text.

They look for numbers, units, dates, quotations and the words that say what to do with them, not for the wording of
any one question, so that they can answer questions nobody wrote them for. Each takes settings that say how exact
its tools are.
"""
