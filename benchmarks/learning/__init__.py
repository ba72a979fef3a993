"""Value of labels and of feedback, measured on benchmarks with every dataset held out in turn.

pools      pools of models and held-out datasets
labelling  labels on random inputs against labels on suggested ones
feedback   gain from scores of responses, by share of exploration
"""
