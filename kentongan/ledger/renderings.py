"""The messages of alerts in the ledger: one an instance and language, each with its digest."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from sqlalchemy import insert, select

from kentongan.ledger import alerts, pictures, schema
from kentongan.ledger.chaining import canonical, digest
from kentongan.ledger.transaction import Read, Write
from kentongan.seam import Document, Media, Mode, Rendered, Shortened, Template


def put(write: Write, alert_id: str, messages: Sequence[Rendered]) -> None:
    """Replaces the renderings of an alert that is not dispatched yet."""
    table = schema.rendering
    write.execute(table.delete().where(table.c.alert_id == alert_id))
    digests = {}
    for message in messages:
        content = rendered_to_json(message)
        place = f"{message.instance}:{message.language}"
        digests[place] = rendering_digest(alert_id, message.instance, message.language, content)
        write.execute(
            insert(table).values(
                alert_id=alert_id,
                instance=message.instance,
                language=message.language,
                content=content,
                digest=digests[place],
            )
        )
    write.event("alert.rendered", alert=alert_id, digests=digests)


def rendering_digest(alert_id: str, instance: str, language: str, content: str) -> str:
    """Digest of one rendering row."""
    return digest(canonical([alert_id, instance, language, content]))


def of(read: Read, alert_id: str) -> list[Rendered]:
    """The messages of an alert, by instance and language; without a picture that is not there as it was approved."""
    table = schema.rendering
    rows = read.execute(
        select(table.c.content).where(table.c.alert_id == alert_id).order_by(table.c.instance, table.c.language)
    )
    with alerts.legible(read, alert_id, "one of its messages"):
        messages = [rendered_from_json(row.content) for row in rows]
    kept = pictures.contents(read, {media.digest for message in messages for media in message.media})
    return [message.with_pictures(kept) for message in messages]


def without_pictures(read: Read, alert_id: str, instance: str) -> list[str]:
    """The languages in which an instance's message has a picture that is not there as it was approved."""
    table = schema.rendering
    rows = read.execute(
        select(table.c.language, table.c.content)
        .where(table.c.alert_id == alert_id, table.c.instance == instance)
        .order_by(table.c.language)
    ).all()
    wanted = {row.language: {each["digest"] for each in json.loads(row.content)["media"]} for row in rows}
    kept = pictures.contents(read, {digest for digests in wanted.values() for digest in digests})
    return [language for language, digests in wanted.items() if not digests <= kept.keys()]


def rendered_to_json(message: Rendered) -> str:
    """A rendering as the ledger keeps it: of its pictures the digests, for the ledger keeps each of them once."""
    plain = {
        **dataclasses.asdict(dataclasses.replace(message, media=())),
        "media": [
            {"name": each.name, "media_type": each.media_type, "digest": each.digest, "description": each.description}
            for each in message.media
        ],
    }
    if message.shortened is None:
        del plain["shortened"]
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def rendered_from_json(content: str) -> Rendered:
    """The rendering that `rendered_to_json` wrote; its pictures have no content yet."""
    fields = json.loads(content)
    fields["mode"] = Mode(fields["mode"])
    fields["media"] = tuple(Media(**{**each, "content": b""}) for each in fields["media"])
    fields["documents"] = tuple(Document(**d) for d in fields["documents"])
    if (template := fields.get("template")) is not None:
        fields["template"] = Template(**{**template, "parameters": tuple(template["parameters"])})
    if (shortened := fields.get("shortened")) is not None:
        fields["shortened"] = Shortened(**{**shortened, "missing": tuple(shortened["missing"])})
    return Rendered(**fields)
