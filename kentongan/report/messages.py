"""What was said, word for word as it went out."""

from __future__ import annotations

from collections.abc import Mapping

from kentongan.ledger import Read, checkpoints, renderings
from kentongan.overview import Overview
from kentongan.report.shapes import Image, Message, Post
from kentongan.seam import Rendered, slots

_LATER = "…"
"""Stands for what was not known when the report was written, because the message was not sent."""


def read_messages(read: Read, standing: Overview) -> tuple[Message, ...]:
    """The messages of the instances that the alert went to, by instance and language; before that, all of them."""
    dispatch = standing.dispatch
    wanted = {each.name for each in dispatch.plan.instances} if dispatch is not None else None
    values = dispatch.plan.values if dispatch is not None else {}
    sent = dispatch is not None
    return tuple(
        _message(each, values.get(each.language, {}), sent=sent)
        for each in renderings.of(read, standing.alert.id)
        if wanted is None or each.instance in wanted
    )


def _message(message: Rendered, values: Mapping[str, str], *, sent: bool) -> Message:
    texts = [message.title, message.text, message.html, message.link, *(d.text for d in message.documents)]
    texts += message.template.parameters if message.template is not None else ()
    names = {name for text in texts for name in slots(text)}
    shown = message.filled({name: values.get(name, _LATER) for name in names})
    return Message(
        channel=message.instance,
        language=message.language,
        code=message.code,
        mark=message.mark,
        title=shown.title,
        text=shown.text,
        template=f"{message.template.name} ({message.template.language})" if message.template is not None else "",
        images=tuple(Image(media.name, media.description, media.digest) for media in message.media),
        as_sent=sent and names <= set(values),
    )


def read_posts(read: Read, alert_id: str) -> tuple[Post, ...]:
    """Where everybody can read it, or could."""
    kept = checkpoints.counted(read, alert_id, "posts")
    if kept is not None:
        return tuple(Post(*each) for each in kept)
    rows = read.sql(
        "SELECT instance, language, url FROM delivery WHERE alert_id = :id AND family = 'public'"
        " AND coalesce(url, '') <> '' ORDER BY instance, language",
        {"id": alert_id},
    ).all()
    return tuple(Post(row.instance, row.language, row.url) for row in rows)
