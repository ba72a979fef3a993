"""`python -m gateway.cli …` is `benchroute …`."""

from gateway.cli import app

app(prog_name="benchroute")
