"""The ledger: what was decided, what is to be sent, and what became of it; append-only where it counts."""

from kentongan.ledger.chaining import canonical, digest
from kentongan.ledger.ledger import Ledger
from kentongan.ledger.transaction import Read, Write

__all__ = ["Ledger", "Read", "Write", "canonical", "digest"]
