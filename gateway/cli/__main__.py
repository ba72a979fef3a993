"""`python -m gateway.cli …` is `benchroute …`."""

from gateway.cli import main

main()
