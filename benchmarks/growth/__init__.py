"""Growth of calibration, report and evaluation with the number of inputs: a profile at several sizes.

    python -m benchmarks.growth --results results/growth.json

Synthetic benchmarks: clustered vectors, random outcomes, equally many datasets and models at every size. For every
function its own CPU time at every size, and the exponent b of time ~ n^b. Exact search compares all pairs, so b = 2 is
expected there; everything else should be near 1, as n log n is at these sizes.
"""
