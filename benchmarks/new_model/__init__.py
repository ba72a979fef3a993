"""Accuracy of a column that is imputed from few of its outcomes: `python -m benchmarks.new_model BENCHMARK …`.

study   every model hidden in turn: imputed from N inputs, selected or random, and routed by
routed  auto's gain on held-out datasets, with a column as it is, imputed, and without it
"""
