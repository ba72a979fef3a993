"""Judged labels on the demo: models, tasks and judges whose quality is known.

run      answers and verdicts over HTTP, as `tasks judge` asks them; decisions by the library
results  tables
"""
