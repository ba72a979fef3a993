"""The reference pages, made from the code: `python -m docs.tables` writes them, a test says when they are behind it.

commands    reference/cli.md, from the command line
settings    reference/settings.md, from the configuration's schema
endpoints   reference/endpoints.md, from the application
errors      reference/errors.md, from the tree of errors and what is raised
metrics     reference/metrics.md, from what collectors say of themselves
source      the code as syntax trees, for the last two
markdown    tables
"""
