"""Measurements on real benchmarks. Scripts: nothing in the product imports them."""
