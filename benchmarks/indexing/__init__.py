"""Index backends by number of inputs: build time, size, load time, memory, recall and time of a query.

    python -m benchmarks.indexing --benchmark FOLDER … --sizes 10000 100000 --results results/indexing.json

backends   one adapter per library
folders    a benchmark folder of repeated embeddings, for whole builds
repeated   real embeddings, repeated with noise to any size, and real queries
searching  an opened index, in a process of its own
vectors    synthetic clustered vectors, for benchmarks.growth

CPU seconds on one thread. Recall is told for inputs of known tasks and of new ones.
"""
