"""Answers in the ledger: taken once, matched to the person and the alert they mean, and kept so that they can go.

What a person wrote is encrypted under their own key, as their address is; a stranger's under a key of its own. Events
hold ids and the meaning alone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from sqlalchemy import Row, insert

from kentongan.addresses import NUMBERED, normalise
from kentongan.answers import LONGEST, TOLD, Meaning, Vocabulary, codes, read
from kentongan.clock import Milliseconds
from kentongan.errors import BadInput
from kentongan.keys import StateKeys
from kentongan.ledger import checkpoints, opt_outs, receipts, schema, wrapped_keys
from kentongan.ledger.editions import CURRENT, listed
from kentongan.ledger.opt_outs import Named
from kentongan.ledger.threads import REACHED_SQL
from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Address, Confirmed, Inbound, Receipt

_TOLD = ", ".join(f"'{meaning}'" for meaning in TOLD)


@dataclass(frozen=True, slots=True)
class Taken:
    """One answer that was new; `alert_id` and `person_id` are None where it belongs to none that we know."""

    id: str
    meaning: Meaning
    alert_id: str | None
    person_id: str | None


def record(
    write: Write, *, instance: str, inbound: Sequence[Inbound], keys: StateKeys, words: Vocabulary
) -> list[Taken]:
    """Takes answers in; one that the provider brings again is passed over. Returns what was new.

    An answer that says of a message that it was read is a receipt for it too. STOP and its like opt the address out on
    its channel family, START and its like in again.
    """
    taken = []
    for each in inbound:
        if each.provider_id and _is_known(write, instance, each.provider_id):
            continue
        taken.append(_take(write, instance, each, keys, words))
    return taken


def _is_known(read: Read, instance: str, provider_id: str) -> bool:
    statement = "SELECT 1 FROM answer WHERE instance = :instance AND provider_id = :id AND provider_id <> ''"
    return read.sql(statement, {"instance": instance, "id": provider_id}).first() is not None


def _take(write: Write, instance: str, inbound: Inbound, keys: StateKeys, words: Vocabulary) -> Taken:
    address = _address(inbound)
    hash = keys.address_hash(address.family, address.value)
    text = inbound.text[:LONGEST]
    meaning = read(text, words)
    persons = write.sql(
        # Of a million addresses those few, and not all of their family.
        "SELECT DISTINCT p.id, p.key FROM address a INDEXED BY address_hash JOIN person p ON p.id = a.person_id"
        f" WHERE a.hash = :hash AND a.family = :family AND a.since <= {CURRENT} AND p.added <= {CURRENT} ORDER BY p.id",
        {"hash": hash, "family": address.family},
    ).all()
    alert_id, delivery = _meant(write, instance, inbound, text, address.family, [row.id for row in persons])
    owner = delivery.person_id if delivery is not None else next((row.id for row in persons), None)
    wrapped = next((row.key for row in persons if row.id == owner), None)
    # Erased people are strangers: what they write from now on has a key of its own.
    own_key = keys.new_person_key(wrapped_keys.named(write)) if wrapped is None else None
    person_id = owner if wrapped is not None else None
    id = secrets.token_hex(8)
    content = json.dumps({"family": address.family, "address": address.value, "text": text}, ensure_ascii=False)
    write.execute(
        insert(schema.answer).values(
            id=id,
            instance=instance,
            family=address.family,
            unique_by=hash,
            provider_id=inbound.provider_id,
            at=write.now,
            person_id=person_id,
            alert_id=alert_id,
            delivery_id=delivery.id if delivery is not None else None,
            meaning=meaning.value,
            ciphertext=keys.encrypt_words(wrapped or own_key or b"", content, aad=id.encode()),
            key=own_key,
        )
    )
    delivery_id = delivery.id if delivery is not None else None
    write.event("answer.received", alert=alert_id, delivery=delivery_id, answer=id, instance=instance, meaning=meaning)
    if delivery is not None and meaning in TOLD:
        receipt = Receipt(Confirmed.READ, key=delivery.key, reason="answered")
        receipts.record(write, instance=delivery.instance, receipts=[receipt])
    if meaning in (Meaning.STOP, Meaning.START):
        change = opt_outs.opt_out if meaning is Meaning.STOP else opt_outs.opt_in
        change(write, [Named(address.family, hash)], family=address.family, by=opt_outs.BY_ANSWER)
    return Taken(id, meaning, alert_id, person_id)


def _address(inbound: Inbound) -> Address:
    """The sender as people's addresses are kept: providers leave the + of a number away."""
    value = inbound.address.strip()
    if inbound.family in NUMBERED and value[:1].isdigit():
        value = f"+{value}"
    try:
        # With its + a number needs no country to be understood.
        return normalise(inbound.family, value, default_region="ID")
    except (BadInput, ValueError):
        return Address(inbound.family, inbound.address.strip())


def _meant(
    read: Read, instance: str, inbound: Inbound, text: str, family: str, persons: Sequence[str]
) -> tuple[str | None, Row[Any] | None]:
    """The alert and delivery meant: by the code, by the message replied to, else the newest that was sent to them."""
    named = read.sql(
        "SELECT a.id FROM alert a JOIN dispatch s ON s.alert_id = a.id WHERE a.code IN"
        " (SELECT value FROM json_each(:codes)) ORDER BY s.at DESC LIMIT 1",
        {"codes": json.dumps(codes(text))},
    ).scalar()
    reached = (
        "SELECT d.id, d.key, d.alert_id, d.instance, d.person_id FROM delivery d WHERE d.person_id IN"
        f" (SELECT value FROM json_each(:persons)) AND d.result IN ({REACHED_SQL})"
    )
    parameters = {"persons": json.dumps(list(persons)), "family": family, "instance": instance}
    # On the channel they answer on, else on another of the same addresses; the newest.
    newest = " ORDER BY d.instance = :instance DESC, d.family = :family DESC, d.id DESC LIMIT 1"
    if named is not None:
        return named, read.sql(f"{reached} AND d.alert_id = :alert{newest}", {**parameters, "alert": named}).first()
    if inbound.in_reply_to:
        statement = f"{reached} AND d.instance = :instance AND d.provider_id = :id LIMIT 1"
        replied = read.sql(statement, {**parameters, "id": inbound.in_reply_to}).first()
        if replied is not None:
            return replied.alert_id, replied
    last = read.sql(f"{reached} AND d.family = :family ORDER BY d.id DESC LIMIT 1", parameters).first()
    return (last.alert_id, last) if last is not None else (None, None)


# --- What officers see of them ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody last said; `who` is their person's id, else the keyed hash of the address it came from."""

    id: str
    who: str
    at: Milliseconds
    instance: str
    family: str
    meaning: Meaning
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The answers to one alert.

    `asked`: people whom it has reached or may have. `counts`: senders by what they last said of themselves, each once;
    under STOP, START and UNREAD how many answers said so. `help`: who needs help, longest waiting first; `unread`: what
    a person must read, oldest first.
    """

    asked: int
    answered: int
    counts: Mapping[Meaning, int]
    help: Sequence[Answer]
    unread: Sequence[Answer]


# What somebody says of themselves holds until they say otherwise; "I have read it" says nothing of how they are.
_STANDING = (
    "SELECT * FROM (SELECT w.*, coalesce(w.person_id, w.unique_by) AS who, row_number() OVER (PARTITION BY"
    " coalesce(w.person_id, w.unique_by) ORDER BY w.meaning IN ('safe', 'help') DESC, w.number DESC) AS place"
    f" FROM answer w WHERE w.alert_id IS :alert AND w.meaning IN ({_TOLD})) AS placed WHERE place = 1 ORDER BY number"
)


def summary(read: Read, alert_id: str | None) -> Summary:
    """The answers to an alert; None: those that belong to none that was sent."""
    standing = [_answer(read, row) for row in read.sql(_STANDING, {"alert": alert_id}).all()]
    others = read.sql(
        "SELECT w.*, coalesce(w.person_id, w.unique_by) AS who FROM answer w WHERE w.alert_id IS :alert"
        f" AND w.meaning NOT IN ({_TOLD}) ORDER BY number",
        {"alert": alert_id},
    ).all()
    counts = dict.fromkeys(Meaning, 0)
    for each in standing:
        counts[each.meaning] += 1
    for row in others:
        counts[Meaning(row.meaning)] += 1
    return Summary(
        asked=asked(read, alert_id) if alert_id is not None else 0,
        answered=len({each.who for each in standing} | {row.who for row in others}),
        counts=counts,
        help=[each for each in standing if each.meaning is Meaning.HELP],
        unread=[_answer(read, row) for row in others if row.meaning == Meaning.UNREAD],
    )


def asked(read: Read, alert_id: str) -> int:
    """How many people an alert has reached, and so asked, where it asks."""
    kept = checkpoints.counted(read, alert_id, "asked")
    if kept is not None:
        return int(kept)
    return int(
        read.sql(
            f"SELECT count(DISTINCT person_id) FROM delivery WHERE alert_id = :alert AND result IN ({REACHED_SQL})",
            {"alert": alert_id},
        ).scalar_one()
    )


def answered_alerts(read: Read) -> list[str | None]:
    """The alerts that were answered, newest first; None among them where answers belong to no alert."""
    rows = read.sql("SELECT alert_id FROM answer GROUP BY alert_id ORDER BY max(number) DESC").all()
    return [row.alert_id for row in rows]


def _answer(read: Read, row: Row[Any]) -> Answer:
    regions = read.sql(
        f"SELECT r.code FROM person_region r WHERE r.person_id = :id AND {listed('r')} ORDER BY r.code",
        {"id": row.person_id},
    )
    return Answer(
        row.id, row.who, row.at, row.instance, row.family, Meaning(row.meaning), tuple(regions.scalars().all())
    )


def told(read: Read, alert_id: str, persons: str, parameters: Mapping[str, Any]) -> int:
    """How many different people have answered that they read it; `persons` is an SQL condition on person `p`."""
    return int(
        read.sql(
            "SELECT count(DISTINCT p.id) FROM answer w JOIN person p ON p.id = w.person_id"
            f" WHERE w.alert_id = :answered AND w.meaning IN ({_TOLD}) AND {persons}",
            {"answered": alert_id, **parameters},
        ).scalar_one()
    )


@dataclass(frozen=True, slots=True)
class Words:
    """One answer in the clear; nothing of it shows in `repr`."""

    address: Address
    text: str = field(repr=False)


def words(read: Read, ids: Sequence[str], keys: StateKeys) -> dict[str, Words]:
    """Answers by id as they were written; those of people who were erased are left out. Raises BadInput for damage."""
    return dict(_words(read, ids, keys))


def _words(read: Read, ids: Sequence[str], keys: StateKeys) -> Iterator[tuple[str, Words]]:
    rows = read.sql(
        "SELECT w.id, w.ciphertext, coalesce(w.key, p.key) AS key FROM answer w LEFT JOIN person p"
        " ON p.id = w.person_id WHERE w.id IN (SELECT value FROM json_each(:ids)) AND length(w.ciphertext) > 0",
        {"ids": json.dumps(list(ids))},
    ).all()
    for row in rows:
        if row.key is not None:
            content = json.loads(keys.decrypt_words(row.key, row.ciphertext, aad=row.id.encode()))
            yield row.id, Words(Address(content["family"], content["address"]), content["text"])


def note_revealed(write: Write, alert_id: str | None, *, by: str, count: int) -> None:
    """Puts on record that an officer has read people's addresses and words."""
    write.event("answers.revealed", alert=alert_id, by=by, count=count)
