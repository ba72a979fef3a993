"""A new model from a few of its outcomes: what it would have made of all the others, and which to ask for.

    factors      what the known models have in common, learnt by hiding each in turn
    column       a whole column out of a partial one, with standard errors
    picking      the inputs whose outcomes would tell most
    adding       a pack with one more model

| what                                    | here               | shape                    |
|-----------------------------------------|--------------------|--------------------------|
| y(x, m) of the known models             | Known.outcomes     | (n_inputs, n_known)      |
| S~(m, d)                                | Known.averages     | (n_datasets, n_known)    |
| covariance inside a dataset             | Known.within       | (n_datasets, n_known, n_known) |
| the factors, as mixtures of the models  | Factors.mixtures   | (n_known, n_factors)     |
| expected outcomes of the new model      | Column.expected    | (n_inputs,)              |
"""
