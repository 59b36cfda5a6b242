"""Digests of events that were pruned: they stand where the events stood, so that every link can be computed as before.

Each row holds the places and digests of some events of one alert, or the places of links of which every event was
pruned, and is signed by the installation's key: whoever deletes events or links by hand cannot make one up.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kentongan.keys import StateKeys, verify_witness
from kentongan.ledger.chaining import canonical, digest, event_digest, link_digest
from kentongan.ledger.replay import Difference, plain
from kentongan.ledger.transaction import Read, Write

_ENTRY = struct.Struct(">HQI32s")
_PLACE = struct.Struct(">HQI")
_LINK = struct.Struct(">HQQ")
_FULL = 255


class Gone(NamedTuple):
    """An event that was pruned: its place, and its digest in hexadecimal."""

    chain: str
    seq: int
    ordinal: int
    digest: str


def gone(row: Any) -> Gone:
    """What is kept of an event's row."""
    content = event_digest(row.chain, row.seq, row.ordinal, row.at, row.type, row.alert_id, row.delivery_id, row.data)
    return Gone(row.chain, row.seq, row.ordinal, content)


def pack(events: Sequence[Gone]) -> bytes:
    """Events as a row holds them: the names of their chains in a line of JSON, then each by its step and digest.

    A step is one byte: 0 for the next event of the same link, else by how many links on the first of another stands;
    255 is followed by the place in full.
    """
    chains = sorted({each.chain for each in events})
    number = {chain: place for place, chain in enumerate(chains)}
    packed = [canonical({"chains": chains}).encode() + b"\n"]
    last, ordinal = (-1, 0), 0
    for each in sorted(events):
        place = (number[each.chain], each.seq)
        step = each.seq - last[1] if place[0] == last[0] else _FULL
        if (step == 0 and each.ordinal == ordinal + 1) or (0 < step < _FULL and each.ordinal == 0):
            packed.append(bytes((step,)))
        else:
            packed.append(bytes((_FULL,)) + _PLACE.pack(*place, each.ordinal))
        packed.append(bytes.fromhex(each.digest))
        last, ordinal = place, each.ordinal
    return b"".join(packed)


def unpack(packed: bytes) -> Iterator[Gone]:
    """The events of a row, none of a row of links; raises ValueError or LookupError where it holds anything else."""
    names, _, entries = packed.partition(b"\n")
    header = json.loads(names)
    if isinstance(header, list):
        yield from _unpack_wide(header, entries)
        return
    if "links" in header:
        return
    chains, rest = header["chains"], _Rest(entries)
    chain = seq = ordinal = 0
    while step := rest.take(1):
        if step[0] == _FULL:
            chain, seq, ordinal = _PLACE.unpack(rest.exactly(_PLACE.size))
        else:
            seq, ordinal = seq + step[0], 0 if step[0] else ordinal + 1
        yield Gone(str(chains[chain]), seq, ordinal, rest.exactly(32).hex())


def _unpack_wide(chains: Sequence[Any], entries: bytes) -> Iterator[Gone]:
    """The same as it was packed at first: every place in full."""
    if len(entries) % _ENTRY.size:
        raise ValueError("cut")
    for place, seq, ordinal, content in _ENTRY.iter_unpack(entries):
        yield Gone(str(chains[place]), seq, ordinal, content.hex())


@dataclass(slots=True)
class _Rest:
    """Bytes that are read one piece after the other."""

    content: bytes
    at: int = 0

    def take(self, most: int) -> bytes:
        piece = self.content[self.at : self.at + most]
        self.at += len(piece)
        return piece

    def exactly(self, size: int) -> bytes:
        piece = self.take(size)
        if len(piece) != size:
            raise ValueError("cut")
        return piece


class Folded(NamedTuple):
    """A link that went because all of its events had: where it stood. Its digest is computed from theirs."""

    chain: str
    seq: int
    position: int


def pack_links(links: Sequence[Folded]) -> bytes:
    """Links as a row holds them: the names of their chains in a line of JSON, then each by two steps.

    They are a byte each, by how many links and by how many commits on it stands; 255 is followed by the place in full.
    """
    chains = sorted({each.chain for each in links})
    number = {chain: place for place, chain in enumerate(chains)}
    packed = [canonical({"links": chains, "steps": True}).encode() + b"\n"]
    last = (-1, 0, 0)
    for each in sorted(links):
        place = (number[each.chain], each.seq, each.position)
        steps = (place[1] - last[1], place[2] - last[2])
        if place[0] == last[0] and all(0 < step < _FULL for step in steps):
            packed.append(bytes(steps))
        else:
            packed.append(bytes((_FULL,)) + _LINK.pack(*place))
        last = place
    return b"".join(packed)


def unpack_links(packed: bytes) -> Iterator[Folded]:
    """The links of a row, none of a row of events; raises ValueError or LookupError where it holds anything else."""
    names, _, entries = packed.partition(b"\n")
    header = json.loads(names)
    if isinstance(header, list) or "links" not in header:
        return
    chains, rest = header["links"], _Rest(entries)
    if "steps" not in header:
        # As they were packed at first.
        if len(entries) % _LINK.size:
            raise ValueError("cut")
        for place, seq, position in _LINK.iter_unpack(entries):
            yield Folded(str(chains[place]), seq, position)
        return
    chain = seq = position = 0
    while step := rest.take(1):
        if step[0] == _FULL:
            chain, seq, position = _LINK.unpack(rest.exactly(_LINK.size))
        else:
            seq, position = seq + step[0], position + rest.exactly(1)[0]
        yield Folded(str(chains[chain]), seq, position)


def keep(write: Write, keys: StateKeys, alert_id: str, packed: bytes) -> None:
    """Puts what is packed in the place of the events, or the links, that this transaction deletes."""
    number = int(
        write.sql("SELECT coalesce(max(number), 0) + 1 FROM pruned WHERE alert_id = :id", {"id": alert_id}).scalar_one()
    )
    write.sql(
        "INSERT INTO pruned (alert_id, number, events, signature) VALUES (:id, :number, :events, :signature)",
        {
            "id": alert_id,
            "number": number,
            "events": packed,
            "signature": keys.witness(_statement(alert_id, number, packed)),
        },
    )


def sign_checkpoint(keys: StateKeys, alert_id: str, content: str) -> str:
    """The installation's signature over what was counted of an alert, in hexadecimal."""
    return keys.witness(_checkpoint(alert_id, content)).hex()


def _statement(alert_id: str, number: int, packed: bytes) -> bytes:
    return canonical({"pruned": alert_id, "number": number, "events": packed.hex()}).encode()


def _checkpoint(alert_id: str, content: str) -> bytes:
    return canonical({"checkpoint": alert_id, "content": digest(content)}).encode()


def links_hold(read: Read, alert_id: str) -> bool:
    """Whether every link with an event of this alert is the one that was made of its events.

    Where others of its events were pruned, their digests are taken as they stand: verification looks at those.
    """
    rows = read.sql(
        "SELECT e.*, l.previous, l.position, l.digest FROM event e JOIN link l ON l.chain = e.chain AND l.seq = e.seq"
        " WHERE (e.chain, e.seq) IN (SELECT DISTINCT chain, seq FROM event WHERE alert_id = :id)"
        " ORDER BY e.chain, e.seq, e.ordinal",
        {"id": alert_id},
    )
    doubtful = {}
    for place, events in itertools.groupby(rows, lambda row: (row.chain, row.seq)):
        link = next(events)
        digests = {each.ordinal: gone(each).digest for each in (link, *events)}
        if link.digest != _computed(link, digests):
            doubtful[place] = link, digests
    if doubtful:
        for row in read.sql("SELECT events FROM pruned"):
            for each in unpack(row.events):
                if each[:2] in doubtful:
                    doubtful[each[:2]][1].setdefault(each.ordinal, each.digest)
    return all(link.digest == _computed(link, digests) for link, digests in doubtful.values())


def _computed(link: Any, digests: Mapping[int, str]) -> str:
    return link_digest(link.previous, link.position, [digests[ordinal] for ordinal in sorted(digests)])


# --- As verification reads it ------------------------------------------------------------------------------


@dataclass(slots=True)
class Covered:
    """What may be missing. `digests`: of pruned events, by the link and their place in it.

    `links`: those that went with their events; `computed`: their digests, by chain and number, once chains are read.

    `begun` and `finished`: the alerts whose deliveries are going, and have gone, by a signed checkpoint.
    """

    digests: dict[tuple[str, int], dict[int, str]] = field(default_factory=dict)
    links: list[Folded] = field(default_factory=list)
    computed: dict[tuple[str, int], str] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)


def covered(read: Read, public_key: bytes, differences: list[Difference]) -> Covered:
    """What signed checkpoints cover; names whatever of them is not as it was recorded."""
    found = Covered()
    _checkpoints(read, public_key, differences, found)
    for row in read.sql("SELECT alert_id, number, events, signature FROM pruned ORDER BY alert_id, number"):
        place = f"pruned events {row.alert_id}/{row.number}"
        try:
            events, links = list(unpack(row.events)), list(unpack_links(row.events))
            signed = verify_witness(public_key, _statement(row.alert_id, row.number, row.events), row.signature)
        except (AttributeError, LookupError, TypeError, ValueError):
            signed = False
        if not signed:
            differences.append(Difference(place, "are not those that were pruned"))
            continue
        if row.alert_id not in found.begun | found.finished:
            differences.append(Difference(place, "are gone, and no signed checkpoint says so"))
        for each in events:
            found.digests.setdefault((each.chain, each.seq), {})[each.ordinal] = each.digest
        found.links += links
    found.links.sort()
    return found


def _checkpoints(read: Read, public_key: bytes, differences: list[Difference], found: Covered) -> None:
    recorded: dict[str, dict[str, Any]] = {}
    ended: dict[str, int] = {}
    for event in read.sql(
        "SELECT e.* FROM event e JOIN link l ON l.chain = e.chain AND l.seq = e.seq"
        " WHERE e.type IN ('alert.pruning', 'alert.pruned') ORDER BY l.position, e.ordinal"
    ):
        if event.type == "alert.pruned":
            ended[str(event.alert_id)] = event.at
            continue
        try:
            recorded[str(event.alert_id)] = {**json.loads(event.data), "at": event.at}
        except (TypeError, ValueError):
            place = f"event {event.chain}/{event.seq}/{event.ordinal}"
            differences.append(Difference(place, "says nothing that could have been recorded"))
    for mapping in read.sql("SELECT * FROM checkpoint").mappings():
        row = plain(mapping)
        alert, content = str(row["alert_id"]), str(row["content"])
        place = f"checkpoint {alert}"
        wanted = recorded.pop(alert, None)
        if wanted is None:
            differences.append(Difference(place, "was never recorded"))
            continue
        same = (wanted.get("checkpoint"), wanted.get("signature"), wanted["at"], ended.get(alert))
        if (digest(content), row["signature"], row["at"], row["finished_at"]) != same:
            differences.append(Difference(place, "is not what was recorded"))
        elif not _is_signed(public_key, alert, content, str(row["signature"])):
            differences.append(Difference(place, "is not signed by this ledger's key"))
        else:
            (found.finished if alert in ended else found.begun).add(alert)
    differences.extend(Difference(f"checkpoint {alert}", "is missing") for alert in recorded)


def _is_signed(public_key: bytes, alert: str, content: str, signature: str) -> bool:
    try:
        return verify_witness(public_key, _checkpoint(alert, content), bytes.fromhex(signature))
    except ValueError:
        return False
