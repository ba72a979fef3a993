"""What routing is worth on a benchmark: every system of the paper, judged leave-one-dataset-out.

results      what an evaluation finds: choices, rows of the table
evaluate     a plan in, an evaluation out
fold         one dataset held out, and what the benchmark says of its unlabelled inputs
folds        the pairs (u, p) of all folds at once
knn_folds    folds predicted by nearest neighbours
mlp_folds    folds predicted by networks
auto_folds   what auto says of every fold
systems      what every system would choose
judge        how good a choice was
per_input    choosing input by input
curve        what accuracy costs, and the area under it
table        from choices to rows, with intervals
report/      tables, figures and one HTML page out of it
"""
