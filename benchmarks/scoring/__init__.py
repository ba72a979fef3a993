"""What scoring costs: embedders side by side, and the scorer's real process from start to ready.

    python -m benchmarks.scoring --benchmark FOLDER --results results/scoring.json

Every embedder lives in a process of its own and embeds the same inputs in turn, in rounds whose order is reversed each
time; medians. The machine's other work falls on all of them alike, so the ratios are steadier than the rates.
"""
