"""How good a column is that was estimated from few of its outcomes. `python -m benchmarks.new_model BENCHMARK …`.

study       every model hidden in turn: estimated from N inputs, chosen and drawn, and routed by
routed      what auto gains on datasets held out, with a column as it is, estimated, and without it
__main__    table and figure
"""
