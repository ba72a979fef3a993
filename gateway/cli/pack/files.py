"""What the pack commands learn of a pack without loading its arrays; see gateway.packs.metadata."""

from gateway.packs.metadata import read_about, read_report, size_bytes

__all__ = ["read_about", "read_report", "size_bytes"]
