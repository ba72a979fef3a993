"""`benchroute init`: create a configuration from the providers that are available.

command    the command, and the file that it writes
evidence   what the shipped pack has of the chosen models
kinds      kinds of models by their names
prices     list prices of the chosen models
providers  known providers, those that are available, and the models to configure
"""

from gateway.cli.init.command import create_config

__all__ = ["create_config"]
