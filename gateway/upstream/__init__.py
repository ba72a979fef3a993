"""Backends: one contract, one file per kind, and one place where their ways of failing become ours.

contract      what a backend is asked, and what it answers
faults        the error tree, and the translation of every foreign exception
openai_kind   any URL that speaks OpenAI's API, by aiohttp
litellm_kind  whatever litellm speaks
litellm_prices  the prices that litellm lists; these two are the only modules that import it
build         backends from a configuration
"""
