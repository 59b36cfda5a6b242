"""`kentongan resolve` and `kentongan retry`: what an officer settles by hand."""

from __future__ import annotations

import click

from console import output
from console.command import HANDLE, command
from kentongan import telling
from kentongan.errors import BadInput


@command("resolve")
@click.argument("delivery", type=int, required=False)
@click.option("--alert", "code", type=HANDLE, metavar="CODE", help="All messages of this alert that are in doubt.")
@click.option("--channel", metavar="NAME", help="With --alert: only those on this channel.")
@click.option("--restored", is_flag=True, help="With --alert: only those in doubt since the ledger was restored.")
@click.option("--sent/--not-sent", default=None, help="What the officer knows of it.")
@click.option("--again", is_flag=True, help="With --not-sent: send it once more, marked as a possible duplicate.")
def resolve(
    delivery: int | None, code: str | None, channel: str | None, restored: bool, sent: bool | None, again: bool
) -> None:
    """Settle by an officer's word whether a message was sent; `kentongan status CODE` lists those in doubt.

    DELIVERY is one message by its number; --alert takes all of an alert.
    """
    from console.office import Need, opened
    from console.service import client
    from kentongan.desk import settling

    if (delivery is None) == (code is None):
        raise BadInput("say which: the number of one message, or --alert CODE for all of an alert")
    if delivery is not None and (channel is not None or restored):
        raise BadInput("--channel and --restored choose among the messages of an alert; give --alert CODE")
    if sent is None:
        raise BadInput("say what you know of it: --sent or --not-sent")
    if again and sent:
        raise BadInput("--again sends what was not sent; give it with --not-sent")
    with opened(Need.NOTHING, warn=False) as office:
        if code is not None:
            count = settling.resolve_all(
                office.desk, code, office.login(), channel=channel, by_restoring=restored, sent=sent, again=again
            )
            content: dict[str, object] = {"settled": count}
            told = f"{telling.several(count, 'message')} settled."
        else:
            assert delivery is not None
            word = settling.resolve(office.desk, delivery, office.login(), sent=sent, again=again)
            content = {"delivery": delivery, "word": word}
            told = f"Delivery {delivery} is now {telling.word(word)}."
        client.wake(office.house.state)
        if output.wants_json():
            output.document(content)
        else:
            output.say(told)


@command("retry")
@click.argument("code", type=HANDLE)
@click.option("--channel", metavar="NAME", help="Only this channel.")
def retry(code: str, channel: str | None) -> None:
    """Let held channels go on, and make waiting messages due now."""
    from console.office import Need, at_keyboard, opened
    from console.service import client
    from kentongan.desk import settling
    from kentongan.ledger import alerts

    with opened(Need.NOTHING, warn=False) as office:
        by, _ = at_keyboard(office.house.state)
        released, hastened = settling.retry(office.desk, code, channel=channel, by=by)
        stored = office.house.ledger.read(lambda read: alerts.by_handle(read, code))
        client.wake(office.house.state, stored.id)
        listens = client.status(office.house.state) is not None
        if output.wants_json():
            output.document(
                {"code": stored.code, "id": stored.id, "released": released, "hastened": hastened, "service": listens}
            )
            return
        output.say(f"Let go on: {', '.join(released) or 'no channel was held'}.")
        output.say(f"{telling.several(hastened, 'waiting message is', 'waiting messages are')} due now.")
        if not listens:
            output.say(f"No service runs here. Next: kentongan resume {stored.code}")
