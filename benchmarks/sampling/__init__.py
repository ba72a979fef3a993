"""What thinning saves and costs: real benchmark results, every dataset in turn a task that the pack does not know.

    python -m benchmarks.sampling --benchmark FOLDER --pool POOL --results results/thinning.json

Each held-out dataset's inputs come in a random order, as often as it takes to make a stream; every decision is the live
one, input by input, with all inputs embedded and with thinning. What counts is the real outcome of the model that was
in force when an input came. Offline: the same library calls as the scorer's, without a gateway.
"""
