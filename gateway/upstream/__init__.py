"""Backends: one contract, one file per kind, and one place where their ways of failing become ours.

contract      what a backend is asked, and what it answers
faults        the error tree, and the translation of every foreign exception
openai_kind   any URL that speaks OpenAI's API, by aiohttp
litellm_kind  whatever litellm speaks; the only module that imports it
build         backends from a configuration
"""
