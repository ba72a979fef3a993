"""The score `auto`: which model a task's nearness to whole datasets points to, and with what certainty.

The paper predicts from an input's few nearest neighbours. `auto` measures how near the task is to whole *datasets*,
and trusts the prediction as far as it is right on the benchmark itself, every dataset held out in turn. Where
nearness has no predictive value, the best model on average remains.

    training_data  per-dataset averages, centres and noise of a benchmark
    views          measures of nearness to every dataset, each with the outcomes it then expects
    feedback       clients' scores of single responses as a likelihood, propensities weighed
    judge_noise    error of a judge model's labels, from its agreement with itself and with references
    references     reference inputs of every dataset, and similarity to them
    membership     what tells a task that is one of the datasets from a new one, and which
    member_rows    accuracies if it is, shrunk by what a dataset's inputs can tell
    membership_summary  membership in words: a dataset, a mixture, or new
    twins          datasets that embeddings cannot tell apart although their winners differ
    posterior      the task's accuracies as a Gaussian over all candidates; update by labels; probabilities of being
    better
    fit            trust in each view, learnt by holding out every dataset, and the remaining error
    explanation    all of it as numbers that the score can be recomputed from
    labelling      labels and feedback of one task
    suggest        inputs to label next

| quantity                    | here                         | shape                      |
|-----------------------------|------------------------------|----------------------------|
| S~(m, d)                    | TrainingData.averages        | (n_datasets, n_models)     |
| mean embedding of d         | TrainingData.centres         | (n_datasets, dim)          |
| a view's weights on d       | w, rows sum to 1             | (n_datasets,)              |
| trust in a view             | AutoFit.strengths, at least 0 | (n_views,)                |
| errors when d is held out   | AutoFit.errors               | (n_datasets, n_candidates) |
| expected accuracy, variance | AccuracyPosterior.mean, .covariance | (n_candidates,), squared |
"""
