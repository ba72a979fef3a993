"""Index backends by number of inputs: build time, size, load time, memory, recall and time of a query.

    python -m benchmarks.indexing --benchmark FOLDER … --sizes 10000 100000 --results results/indexing.json
    python -m benchmarks.indexing --benchmark FOLDER … --sizes --builds 1000000

backends   one adapter per library
building   whole builds of packs, phase by phase
folders    a benchmark folder of repeated embeddings, for whole builds
repeated   real embeddings, repeated with noise to any size, and real queries
searching  an opened index, in a process of its own
vectors    synthetic clustered vectors, for benchmarks.growth

CPU seconds, on one thread except for whole builds. Recall is told for inputs of known tasks and of new ones.
"""
