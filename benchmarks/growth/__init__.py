"""How calibration, report and evaluation grow with the number of inputs: a profile at several sizes.

    python -m benchmarks.growth --results results/growth.json

Synthetic benchmarks, clustered vectors and outcomes drawn from a seed, with as many datasets and models at every size.
Of each function the CPU time of its own is taken at every size, and the exponent b of time ~ n^b. Exact search compares
everything with everything, so b = 2 is its right; nothing else should be much above 1, which n log n looks like here.
"""
