"""The duty desk: what officers do with an alert, each act by the rules and on record.

`Desk` holds what the acts need; the acts are functions of the modules here, for the command line, the service and a
later console alike.
"""

from kentongan.desk.desk import Desk, Kinds

__all__ = ["Desk", "Kinds"]
