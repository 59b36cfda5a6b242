"""What a stopped alert leaves where nobody sends any more: marked by whoever stopped it, as its sender would have."""

from __future__ import annotations

from functools import partial

from kentongan.clock import Process
from kentongan.delivery import Evidence
from kentongan.ledger import Ledger, Read, dispatches, outcomes, senders, views
from kentongan.plan import PUBLIC
from kentongan.policy import Decision, Reason


def settle(ledger: Ledger, alert_id: str) -> bool:
    """Marks what a stop has kept from going, and what a dead sender may have sent; True where nothing is left open.

    Where a sender lives that owns the alert, this is left to it. Public messages that a dead sender may have posted
    stay open: whoever sends next looks them up on the agency's own account. Raises LedgerUnavailable.
    """
    process = Process.current()

    def left(read: Read) -> tuple[list[str], dict[str, bool]] | None:
        found = dispatches.get(read, alert_id)
        if found is None:
            return None
        gone = senders.gone(read, clock=ledger.clock, process=process)
        # All who hold something were asked after, and so was whoever owns this.
        if found.owner is not None and found.owner not in gone:
            return None
        return gone, {each.name: each.receipts for each in found.plan.instances if each.family != PUBLIC}

    theirs = ledger.read(left)
    if theirs is None:
        return not ledger.read(lambda read: views.is_open(read, alert_id))
    gone, receipts = theirs
    recover = partial(
        outcomes.recover,
        gone=gone,
        within=(alert_id, tuple(receipts)),
        after_doubt=lambda row: Decision(
            Evidence.IN_DOUBT, Reason.RECEIPT if receipts[row.instance] else Reason.OFFICER, "its alert was stopped"
        ),
    )
    while ledger.write(recover):
        pass
    while ledger.write(lambda write: outcomes.cancel_stopped(write, alert_id)):
        pass
    return not ledger.read(lambda read: views.is_open(read, alert_id))
