"""`python -m gateway.cli …` is `benchroute …`."""

from gateway.cli import app
from gateway.processes.init_process import fork_under_init

fork_under_init()
app(prog_name="benchroute")
