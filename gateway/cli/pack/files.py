"""What the pack commands learn of a pack without loading its arrays; see gateway.packfiles."""

from gateway.packfiles import read_about, read_report, size_bytes

__all__ = ["read_about", "read_report", "size_bytes"]
