"""`kentongan resolve` and `kentongan retry`: what an officer settles by hand."""

from __future__ import annotations

import click

from console import output
from console.command import HANDLE, command
from kentongan import telling
from kentongan.errors import BadInput


@command("resolve")
@click.argument("delivery", type=int)
@click.option("--sent/--not-sent", default=None, help="What the officer knows of it.")
@click.option("--again", is_flag=True, help="With --not-sent: send it once more, marked as a possible duplicate.")
def resolve(delivery: int, sent: bool | None, again: bool) -> None:
    """Settle by an officer's word whether a message was sent; `kentongan status CODE` lists those in doubt."""
    from console.office import Need, opened
    from console.service import client
    from kentongan.desk import settling

    if sent is None:
        raise BadInput("say what you know of it: --sent or --not-sent")
    if again and sent:
        raise BadInput("--again sends what was not sent; give it with --not-sent")
    with opened(Need.NOTHING, warn=False) as office:
        word = settling.resolve(office.desk, delivery, office.login(), sent=sent, again=again)
        client.wake(office.house.state)
        if output.wants_json():
            output.document({"delivery": delivery, "word": word})
        else:
            output.say(f"Delivery {delivery} is now {telling.word(word)}.")


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
