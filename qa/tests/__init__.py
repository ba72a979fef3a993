"""Tests of qa: short runs with real processes.

conftest          the environment of every test
test_conformance  the fast checks
test_faults       the most important faults
test_fuzzing      a few hundred malformed requests
"""
