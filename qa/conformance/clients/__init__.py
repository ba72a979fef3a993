"""The client matrix: a module for each client, each with its CHECKS."""
