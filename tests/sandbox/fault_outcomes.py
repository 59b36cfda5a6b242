"""What every adapter is to make of the faults that any stand-in can play."""

from __future__ import annotations

from kentongan.seam import Accepted, Credential, InDoubt, Outcome, Retryable
from sandbox.faults import Fault

FAULT_OUTCOMES: list[tuple[Fault, type[Outcome], int]] = [
    (Fault.ACCEPT_THEN_500, InDoubt, 1),
    (Fault.ACCEPT_THEN_HANG, InDoubt, 1),
    (Fault.ACCEPT_THEN_RESET, InDoubt, 1),
    (Fault.ACCEPT_THEN_HANG_UP, InDoubt, 1),
    (Fault.GARBLE, InDoubt, 1),
    (Fault.GARBLE_BODY, InDoubt, 1),
    (Fault.DROP, InDoubt, 0),
    (Fault.HANG, InDoubt, 0),
    (Fault.THROTTLE, Retryable, 0),
    (Fault.REFUSE, Credential, 0),
    (Fault.IDLE_CLOSE, Accepted, 1),
    (Fault.IDLE_RESET, Accepted, 1),
    (Fault.SLOW, Accepted, 1),
]
"""The fault, the outcome, and how many messages the stand-in has taken."""
