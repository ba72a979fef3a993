"""Cost of scoring: embedders compared, and the scorer's real process from start to ready.

    python -m benchmarks.scoring --benchmark FOLDER --results results/scoring.json

embedders  embedders in interleaved rounds
worker     one embedder in a process of its own
decisions  a decision, alone and among others of a batch, and its explanation
child      the scorer's process: start, first decision, memory
paced      100 tasks with 10 inputs a second each, through the gateway's client: CPU, and what is dropped

Every embedder has a process of its own and embeds the same inputs in turn, in rounds whose order is reversed each time;
medians. Other work of the machine falls on all of them alike, so the ratios are steadier than the rates.
"""
