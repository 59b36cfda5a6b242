"""What waits for an officer's word while an alert is out: doubt to be settled, held channels to go on."""

from __future__ import annotations

from functools import partial

from kentongan.bucket import name_of
from kentongan.desk.desk import Desk
from kentongan.errors import BadInput, Refused
from kentongan.giving_way import in_chunks, piece_by_piece
from kentongan.ledger import Write, alerts, buckets, dispatches, outcomes, restored, senders, throttled, views
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
        return outcomes.resolve(write, deliveries=[delivery], sent=sent, again=again, by=acting.officer)[delivery]

    return desk.ledger.write(put)


def retry(desk: Desk, handle: str, *, channel: str | None, by: str) -> tuple[list[str], int]:
    """Lets held channels of an alert go on and makes what waits due now; returns the channels and the number.

    What a provider has asked us to wait is forgotten too; it will ask again if it means it. Where it is cut, the next
    one goes on.
    """
    alert_id, wanted = _sent(desk, handle, channel)

    def let_go_on(write: Write) -> list[str]:
        released = [name for name in wanted if senders.release_hold(write, instance=name, by=by)]
        configured = {name: desk.settings.channels[name] for name in wanted if name in desk.settings.channels}
        buckets.resume(write, [name_of(name, desk.kinds.limits(each)) for name, each in configured.items()])
        throttled.forget(write, alert_id, wanted)
        return released

    released = desk.ledger.write(let_go_on)
    # Those that wait at this moment: what fails again meanwhile may wait again.
    waiting = desk.ledger.read(partial(outcomes.waiting, alert_id=alert_id, instances=wanted))
    hasten = partial(outcomes.hasten, alert_id=alert_id, by=by)
    return released, sum(piece_by_piece(desk.ledger, waiting, lambda write, ids: hasten(write, deliveries=ids)))


def _sent(desk: Desk, handle: str, channel: str | None) -> tuple[str, list[str]]:
    """The id of an alert that was sent, and its channels, or the one that was named; raises Refused, BadInput."""
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    dispatched = desk.ledger.read(lambda read: dispatches.get(read, stored.id))
    if dispatched is None:
        raise Refused(f"alert {stored.code} was not sent yet; run `kentongan send {stored.code}`", rule="state")
    names = [instance.name for instance in dispatched.plan.instances]
    if channel is not None and channel not in names:
        raise BadInput(f"{channel!r} is no channel of alert {stored.code}; its channels are {', '.join(names)}")
    return stored.id, [channel] if channel is not None else names


def resolve_all(
    desk: Desk, handle: str, login: Login | None, *, channel: str | None, by_restoring: bool, sent: bool, again: bool
) -> int:
    """Settles every doubt of an alert, or of one channel of it, by one officer's word; returns how many there were.

    `by_restoring`: those alone that came with a restored ledger. Raises Refused, BadInput; what was settled before that
    stays so.
    """
    acting = desk.acting(login)
    alert_id, names = _sent(desk, handle, channel)
    settled = after = 0

    def put(write: Write, most: int) -> list[int]:
        ids = restored.in_doubt(write, alert_id, instances=names, restored=by_restoring, after=after, most=most)
        outcomes.resolve(write, deliveries=ids, sent=sent, again=again, by=acting.officer)
        return ids

    for ids in in_chunks(desk.ledger, put):
        if not ids:
            break
        settled, after = settled + len(ids), ids[-1]
    return settled


def resume_restored(desk: Desk, login: Login | None) -> restored.Unknown:
    """Lets a restored ledger go on, by an officer's word; returns what is still unknown of it. Raises Refused."""
    acting = desk.acting(login)

    def put(write: Write) -> restored.Unknown:
        if not senders.release_hold(write, instance=senders.LEDGER, by=acting.officer):
            raise Refused("the ledger is not held, so there is nothing to let go on", rule="state")
        return restored.standing(write)

    return desk.ledger.write(put)
