"""What an officer on another machine is shown before they sign: the alert's rows as they are, digested there.

A machine that shows an alert could claim any digest. What is signed is therefore computed from what was shown, by the
same functions as the ledger uses.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from sqlalchemy import select

from kentongan.alert import Draft, Kind
from kentongan.errors import BadInput, Refused
from kentongan.ledger import Read, pictures, schema
from kentongan.ledger.alerts import alert_digest
from kentongan.ledger.renderings import rendered_from_json, rendering_digest
from kentongan.seam import Mode, Rendered
from kentongan.stored import from_json
from kentongan.subject import Prepared, Subject

_RAW = "raw"


class Words(BaseModel):
    """One rendering as it is kept; `content` is what its digest is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance: str
    language: str
    content: str


class Record(BaseModel):
    """An alert's row, column by column (imported documents in base64), and its renderings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: Mapping[str, JsonValue]
    renderings: tuple[Words, ...]


class Shown(BaseModel):
    """All that an approval covers, with the people that each instance would write to and who submitted it.

    `pictures` are in base64, by the digest that the messages name. `timezone` is the agency's, to show times in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Mapping[str, JsonValue]
    alert: Record
    correction: Record | None
    submitted_by: str
    people: int
    people_by_instance: Mapping[str, int]
    pictures: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()
    timezone: str = "UTC"


# --- On the ledger's machine ---


def record(read: Read, alert_id: str) -> Record:
    """An alert's row and renderings, to be shown elsewhere."""
    row = dict(read.execute(select(schema.alert).where(schema.alert.c.id == alert_id)).mappings().one())
    if row[_RAW] is not None:
        row[_RAW] = base64.b64encode(row[_RAW]).decode("ascii")
    table = schema.rendering
    rows = read.execute(select(table).where(table.c.alert_id == alert_id).order_by(table.c.instance, table.c.language))
    return Record(
        row=row,
        renderings=tuple(Words(instance=r.instance, language=r.language, content=r.content) for r in rows),
    )


def pictures_of(read: Read, shown: Record) -> dict[str, str]:
    """The pictures of a record's messages, to be shown elsewhere."""
    wanted = {media.digest for message in messages_of(shown) for media in message.media}
    kept = pictures.contents(read, wanted)
    return {digest: base64.b64encode(content).decode("ascii") for digest, content in kept.items()}


# --- On the officer's machine ---


def subject_of(shown: Shown) -> Subject:
    """The subject to sign, once every part of it has been found to be what was shown.

    Raises Refused (rule "shown") where the two differ, BadInput for what is no such record.
    """
    subject = from_json(Subject, dict(shown.subject))
    row = shown.alert.row
    draft_of(shown.alert)
    parts = {
        "the alert": (subject.alert, _row_digest(shown.alert)),
        "its id": (subject.alert_id, row.get("id")),
        "its kind": (subject.kind.value, row.get("kind")),
        "its messages": (dict(subject.renderings), _rendering_digests(shown.alert)),
        "its correction": (subject.correction, _prepared(shown.correction)),
        "its channels": (
            {instance.name for instance in subject.instances},
            {words.instance for words in shown.alert.renderings},
        ),
    }
    for what, (claimed, found) in parts.items():
        if claimed != found:
            raise Refused(f"what the service shows of {what} is not what would be signed; sign nothing", rule="shown")
    modes = {instance.name: instance.mode for instance in subject.instances}
    for words, message in zip(shown.alert.renderings, messages_of(shown.alert), strict=True):
        told = (message.instance, message.language, message.alert_id, message.mode)
        if told != (words.instance, words.language, subject.alert_id, modes[words.instance]):
            raise Refused("a message that is shown belongs elsewhere than it says; sign nothing", rule="shown")
        if message.mode is not mode_of(shown.alert):
            raise Refused("a message that is shown is not of the alert's mode; sign nothing", rule="shown")
    return subject


def draft_of(shown: Record) -> Draft:
    """The draft that a shown row holds; raises BadInput."""
    try:
        return Draft.model_validate_json(str(shown.row["content"]))
    except (KeyError, ValidationError):
        raise BadInput("the alert that the service shows cannot be read; update Kentongan on both machines") from None


def mode_of(shown: Record) -> Mode:
    """The mode of a shown alert; raises BadInput."""
    try:
        return Mode(str(shown.row.get("mode")))
    except ValueError:
        raise _unknown("mode") from None


def kind_of(shown: Record) -> Kind:
    """The kind of a shown alert; raises BadInput."""
    try:
        return Kind(str(shown.row.get("kind")))
    except ValueError:
        raise _unknown("kind") from None


def messages_of(shown: Record) -> tuple[Rendered, ...]:
    """The messages that were shown; raises BadInput."""
    try:
        return tuple(rendered_from_json(words.content) for words in shown.renderings)
    except (ValueError, KeyError, TypeError):
        raise BadInput("a message that the service shows cannot be read; update Kentongan on both machines") from None


def picture(shown: Shown, digest: str) -> bytes:
    """A picture that was shown, once it is found to be the one that would be signed; raises Refused."""
    try:
        content = base64.b64decode(shown.pictures[digest], validate=True)
    except (KeyError, binascii.Error):
        raise Refused("a picture of the alert was not shown; sign nothing", rule="shown") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise Refused("a picture that is shown is not what would be signed; sign nothing", rule="shown")
    return content


def _unknown(column: str) -> BadInput:
    return BadInput(f"the alert that the service shows has no {column} known here; update Kentongan on both machines")


def _row_digest(shown: Record) -> str:
    row: dict[str, Any] = dict(shown.row)
    try:
        row[_RAW] = base64.b64decode(str(row[_RAW]), validate=True) if row[_RAW] is not None else None
        return alert_digest(row)
    except (KeyError, binascii.Error, TypeError):
        raise BadInput("the alert that the service shows lacks a column; update Kentongan on both machines") from None


def _rendering_digests(shown: Record) -> dict[str, str]:
    id = str(shown.row.get("id"))
    digests = {
        f"{words.instance}:{words.language}": rendering_digest(id, words.instance, words.language, words.content)
        for words in shown.renderings
    }
    if len(digests) != len(shown.renderings):
        raise Refused("a message is shown twice, in two ways; sign nothing", rule="shown")
    return digests


def _prepared(shown: Record | None) -> Prepared | None:
    return Prepared(alert=_row_digest(shown), renderings=_rendering_digests(shown)) if shown is not None else None
