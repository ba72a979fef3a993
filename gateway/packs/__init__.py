"""Packs as the gateway's process sees them: manifests and reports, never arrays.

library   the packs to choose from, and the active one
metadata  a pack's size, report and embedder, read without its arrays
"""
