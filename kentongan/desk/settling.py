"""What waits for an officer's word while an alert is out: doubt to be settled, held channels to go on."""

from __future__ import annotations

from kentongan.desk.desk import Desk
from kentongan.errors import BadInput, Refused
from kentongan.ledger import Write, alerts, dispatches, outcomes, senders, views
from kentongan.login import Login


def resolve(desk: Desk, delivery: int, login: Login | None, *, sent: bool, again: bool) -> str:
    """Settles one delivery's doubt by an officer's word; returns the word it then has. Raises Refused, BadInput."""
    acting = desk.acting(login)

    def put(write: Write) -> str:
        found = views.delivery(write, delivery)
        if found is None:
            raise BadInput(f"no delivery {delivery} in this ledger; `kentongan status CODE` lists those in doubt")
        if found.word != "in_doubt":
            raise Refused(f"delivery {delivery} is {found.word}, so there is no doubt to settle", rule="state")
        return outcomes.resolve(write, delivery=delivery, sent=sent, again=again, by=acting.officer)

    return desk.ledger.write(put)


def retry(desk: Desk, handle: str, *, channel: str | None, by: str) -> tuple[list[str], int]:
    """Lets held channels of an alert go on and makes what waits due now; returns the channels and the number."""
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    dispatched = desk.ledger.read(lambda read: dispatches.get(read, stored.id))
    if dispatched is None:
        raise Refused(f"alert {stored.code} was not sent yet; run `kentongan send {stored.code}`", rule="state")
    names = [instance.name for instance in dispatched.plan.instances]
    if channel is not None and channel not in names:
        raise BadInput(f"{channel!r} is no channel of alert {stored.code}; its channels are {', '.join(names)}")
    wanted = [channel] if channel is not None else names

    def put(write: Write) -> tuple[list[str], int]:
        released = [name for name in wanted if senders.release_hold(write, instance=name, by=by)]
        return released, outcomes.hasten(write, alert_id=stored.id, instances=wanted, by=by)

    return desk.ledger.write(put)
