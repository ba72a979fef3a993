"""Generated reference pages: `python -m docs.tables` writes them, and a test fails if they are out of date.

pages       all pages
commands    reference/cli.md, from the command line
architecture  figures/architecture.svg, from the import contract
settings    reference/settings.md, from the configuration's schema
endpoints   reference/endpoints.md, from the application
errors      reference/errors.md, from the error tree and the places that raise errors
metrics     reference/metrics.md, from the definitions of metrics
source      the code as syntax trees, for errors and metrics
markdown    tables
"""
