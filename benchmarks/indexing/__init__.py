"""How an index grows: build time, size, load time, recall and queries a second, against other libraries.

    python -m benchmarks.indexing --sizes 10000 30000 100000 --results results/indexing.json

The vectors are synthetic: unit vectors in clusters, drawn from a seed, so that any size can be had. Half of the queries
lie in clusters, half beside them, as a new task's inputs do. Real inputs are harder or easier; the growth is the point.
"""
