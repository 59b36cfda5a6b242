"""The ledger: what was decided, what is to be sent, and what became of it; append-only where it counts."""

from kentongan.ledger.ledger import Ledger, Read, Write, canonical, digest

__all__ = ["Ledger", "Read", "Write", "canonical", "digest"]
