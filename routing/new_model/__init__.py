"""A new model from a few of its outcomes: imputation of all the others, and the choice of inputs to ask.

    factors        structure shared by the known models, learnt by hiding each in turn
    impute         a full column from a partial one, with standard errors
    select_inputs  the inputs whose outcomes are most informative
    add            a pack with one more model

| quantity                                | here                   | shape                    |
|-----------------------------------------|------------------------|--------------------------|
| y(x, m) of the known models             | KnownModels.outcomes   | (n_inputs, n_known)      |
| S~(m, d)                                | KnownModels.averages   | (n_datasets, n_known)    |
| covariance inside a dataset             | KnownModels.within     | (n_datasets, n_known, n_known) |
| the factors, as mixtures of the models  | InputFactors.mixtures  | (n_known, n_factors)     |
| expected outcomes of the new model      | ImputedColumn.expected | (n_inputs,)              |
"""
