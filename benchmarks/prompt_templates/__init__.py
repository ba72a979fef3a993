"""Purity and completeness of tasks by system prompt, on made-up applications.

templates.toml has their prompts, words.toml what is filled in.

fillings   the templates, filled as calls fill them
measure    what the recogniser makes of them
"""
