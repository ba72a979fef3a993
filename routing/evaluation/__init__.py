"""What routing is worth on a benchmark: every system of the paper, judged leave-one-dataset-out.

results      what an evaluation finds: choices, rows of the table
report/      tables, figures and one HTML page out of it
"""
