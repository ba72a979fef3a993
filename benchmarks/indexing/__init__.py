"""Index backends by number of inputs: build time, size, load time, recall and queries per second.

    python -m benchmarks.indexing --sizes 10000 30000 100000 --results results/indexing.json

backends  one adapter per library
vectors   synthetic clustered vectors and queries

Vectors are synthetic: unit vectors in clusters, drawn from a seed, so that any size is possible. Half of the queries
are in clusters, half between them, like inputs of a new task. Real inputs are harder or easier; the growth counts.
"""
