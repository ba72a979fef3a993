"""The score `auto`: which model does a task's nearness to whole datasets point to, and how sure is that?

The paper asks an input's few nearest neighbours. This asks which *datasets* the task lies near to, and trusts the
answer as far as it proves right on the benchmark itself, every dataset held out in turn. Where nearness tells nothing,
what is left is the best model on average.

    ground        what a benchmark knows of its datasets: averages, centres, noise
    views         ways to say how near a task is to every dataset, each with the outcomes it then expects
    fit           how much each view is trusted, learnt by holding out every dataset, and how wrong the whole still is
    account      all of it as numbers that the score can be worked out from again
    feedback      what clients' scores of single answers say, propensities weighed
    posterior     the task's accuracies as a Gaussian over all candidates; what labels do to it; who is better

| what                        | here                     | shape                    |
|-----------------------------|--------------------------|--------------------------|
| S~(m, d)                    | Ground.averages          | (n_datasets, n_models)   |
| mean embedding of d         | Ground.centres           | (n_datasets, dim)        |
| a view's weights on d       | w, rows sum to 1         | (n_datasets,)            |
| trust in a view             | Fit.strengths, at least 0 | (n_views,)              |
| errors when d is held out   | Fit.errors               | (n_datasets, n_candidates) |
| expected accuracy, how sure | Posterior.mean, .covariance | (n_candidates,), squared |
"""
