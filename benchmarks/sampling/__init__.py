"""Savings and cost of adaptive sampling: real benchmark results, every dataset in turn a new task.

    python -m benchmarks.sampling --benchmark FOLDER --pool POOL --results results/thinning.json

stream  one task's stream of inputs, with and without sampling

Each held-out dataset's inputs come in random order, repeated until the stream is long enough; every decision is the
live one, input by input, with all inputs embedded and with sampling. The measure is the real outcome of the model that
was selected when an input came. Offline: the scorer's library calls, without a gateway.
"""
