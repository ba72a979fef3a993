"""LLM routing with benchmark datasets (Shnitzer et al., 2023, arXiv 2309.15789): numpy in, decisions out.

Knows no HTTP, no database, no clock. Where to start reading, in the order of the paper:

    benchmark     inputs, datasets, models, outcomes; best on average
    neighbours/   nearest benchmark inputs by cosine distance: exact, and HNSW
    predictor     g and g_bar, the correctness predictors             eq. 7, 2
    scores        S1, S2, S3                                          eq. 1, 2, 5
    calibration   the distance u, the pairs (u, p), the smoother      eq. 8, 9, 10
    confidence    P(S~(a) > S~(b)), exactly                           eq. 6
    decision      which model a task gets, and why                    eq. 6
    task          a task's state as sums
    pack          all of it in one folder
    router        a pack and an embedder: a task's inputs in, a decision out
"""
