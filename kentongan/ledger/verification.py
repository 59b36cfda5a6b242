"""Signed heads, and finding any changed byte behind one.

A head names the last link of every chain and is signed with the ledger key. Behind a head, every event, and every
alert, rendering, submission and approval row that an event names by digest, is as it was. Delivery rows are recomputed
from the events. What cannot be found: what a holder of the ledger key rewrites together with every head that has left
the machine, and what was written after the newest head by somebody who also rewrote the links after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from kentongan.clock import to_datetime
from kentongan.keys import StateKeys, verify_head
from kentongan.ledger import schema
from kentongan.ledger.alerts import alert_digest, rendering_digest
from kentongan.ledger.ledger import Read, canonical, digest, event_digest, link_digest
from kentongan.ledger.planning import planned_rows, static_digest

_TRACKED = (
    "stage",
    "action",
    "due_at",
    "attempt",
    "result",
    "closed",
    "doubted",
    "possible_duplicate",
    "first_intent_at",
    "accepted_at",
    "provider_id",
    "url",
    "handle",
)
_FRESH: Mapping[str, Any] = {
    "stage": "planned",
    "action": "send",
    "attempt": 0,
    "result": "none",
    "closed": None,
    "doubted": 0,
    "possible_duplicate": 0,
    "first_intent_at": None,
    "accepted_at": None,
    "provider_id": None,
    "url": None,
    "handle": None,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it was recorded; `place` names table and row."""

    place: str
    sentence: str


@dataclass(slots=True)
class Verdict:
    """What verification found; nothing in `differences` means that all is as it was recorded."""

    events: int = 0
    chains: int = 0
    behind_head: int = 0
    deliveries: int = 0
    differences: list[Difference] = field(default_factory=list)


def signed_head(read: Read, keys: StateKeys) -> dict[str, Any]:
    """The ends of all chains now, signed; safe to publish, since it holds counts and digests alone."""
    rows = read.sql(
        "SELECT chain, seq, digest FROM link l WHERE seq = (SELECT max(seq) FROM link m WHERE m.chain = l.chain)"
        " ORDER BY chain"
    ).all()
    body = {
        "at": to_datetime(read.now).isoformat(timespec="seconds"),
        "chains": {row.chain: [row.seq, row.digest] for row in rows},
        "key": keys.head_public_key.hex(),
    }
    return {**body, "signature": keys.sign_head(canonical(body).encode()).hex()}


def verify(read: Read, *, head: Mapping[str, Any] | None, public_key: bytes) -> Verdict:
    """Checks the whole ledger against its chains and against `head`, as `signed_head` made it."""
    verdict = Verdict()
    ends = dict(_chains(read, verdict))
    if head is not None:
        _check_head(read, head, public_key, ends, verdict)
    _check_rows(read, verdict)
    _check_deliveries(read, verdict)
    return verdict


def _chains(read: Read, verdict: Verdict) -> Iterator[tuple[str, int]]:
    """Recomputes every link from its events; yields each chain's length."""
    chain, previous, expected = None, "", 1
    grouped: dict[tuple[str, int], list[str]] = {}
    for row in read.sql("SELECT * FROM event ORDER BY chain, seq, ordinal"):
        verdict.events += 1
        grouped.setdefault((row.chain, row.seq), []).append(
            event_digest(row.chain, row.seq, row.ordinal, row.at, row.type, row.alert_id, row.delivery_id, row.data)
        )
    for link in read.sql("SELECT * FROM link ORDER BY chain, seq"):
        if link.chain != chain:
            if chain is not None:
                yield chain, expected - 1
            chain, previous, expected = link.chain, "", 1
            verdict.chains += 1
        place = f"link {link.chain}/{link.seq}"
        if link.seq != expected:
            verdict.differences.append(Difference(place, f"link {expected} of this chain is missing"))
        if link.previous != previous:
            verdict.differences.append(Difference(place, "does not continue the link before it"))
        if link.digest != link_digest(link.previous, grouped.pop((link.chain, link.seq), [])):
            verdict.differences.append(Difference(place, "its events are not those that were recorded"))
        previous, expected = link.digest, link.seq + 1
    if chain is not None:
        yield chain, expected - 1
    for name, seq in grouped:
        verdict.differences.append(Difference(f"event {name}/{seq}", "belongs to no link"))


def _check_head(
    read: Read, head: Mapping[str, Any], public_key: bytes, ends: Mapping[str, int], verdict: Verdict
) -> None:
    body = {name: value for name, value in head.items() if name != "signature"}
    try:
        signature = bytes.fromhex(str(head.get("signature", "")))
    except ValueError:
        signature = b""
    if not verify_head(public_key, canonical(body).encode(), signature):
        verdict.differences.append(Difference("head", "its signature is not by this ledger's key"))
        return
    for chain, (seq, wanted) in body["chains"].items():
        row = read.sql(
            "SELECT digest FROM link WHERE chain = :chain AND seq = :seq", {"chain": chain, "seq": seq}
        ).first()
        if row is None:
            verdict.differences.append(
                Difference(
                    f"chain {chain}", f"ends at {ends.get(chain, 0)} and had {seq} links when the head was signed"
                )
            )
        elif row.digest != wanted:
            verdict.differences.append(Difference(f"link {chain}/{seq}", "is not the one that was signed"))
        else:
            verdict.behind_head += int(seq)


def _check_rows(read: Read, verdict: Verdict) -> None:
    """Compares rows with the digests that events gave them."""
    recorded: dict[tuple[str, str], str] = {}
    states: dict[str, dict[str, Any]] = {}
    plans: dict[str, str] = {}
    for event in read.sql(
        "SELECT alert_id, type, data FROM event WHERE type LIKE 'alert.%' ORDER BY at, chain, seq, ordinal"
    ):
        data = json.loads(event.data)
        if event.type == "alert.drafted":
            recorded["alert", event.alert_id] = data["digest"]
        elif event.type == "alert.rendered":
            for key in [key for key in recorded if key[0] == "rendering" and key[1].startswith(f"{event.alert_id} ")]:
                del recorded[key]
            for place, wanted in data["digests"].items():
                recorded["rendering", f"{event.alert_id} {place}"] = wanted
        elif event.type == "alert.submitted":
            recorded["submission", data["submission"]] = data["digest"]
        elif event.type == "alert.approved":
            recorded["approval", data["approval"]] = data["digest"]
        elif event.type == "alert.dispatched":
            plans[event.alert_id] = data["plan"]
        states.setdefault(event.alert_id, {}).update(data.get("set", {}))
    found: dict[tuple[str, str], str] = {}
    for alert in read.execute(select(schema.alert)).mappings():
        row = dict(alert)
        found["alert", row["id"]] = alert_digest(row)
        _compare(verdict, f"alert {row['code']}", states.get(row["id"], {}), row)
        if row["digest"] != found["alert", row["id"]]:
            verdict.differences.append(Difference(f"alert {row['code']}", "its row was changed"))
    for each in read.execute(select(schema.rendering)):
        key = ("rendering", f"{each.alert_id} {each.instance}:{each.language}")
        found[key] = rendering_digest(each.alert_id, each.instance, each.language, each.content)
        if each.digest != found[key]:
            verdict.differences.append(Difference(" ".join(key), "its row was changed"))
    for table, column in ((schema.submission, "subject"), (schema.approval, "content")):
        for signed in read.execute(select(table)).mappings():
            row = dict(signed)
            key = (table.name, row["id"])
            fixed = [row["id"], row["alert_id"], row["officer"], row["at"], row[column]]
            found[key] = digest(canonical(fixed))
            if row["digest"] != found[key]:
                verdict.differences.append(Difference(" ".join(key), "its row was changed"))
    for dispatch in read.execute(select(schema.dispatch)):
        if plans.get(dispatch.alert_id) != digest(dispatch.plan):
            verdict.differences.append(Difference(f"dispatch {dispatch.alert_id}", "its plan is not the recorded one"))
    for key in sorted({*recorded, *found}):
        if key not in found:
            verdict.differences.append(Difference(" ".join(key), "is missing"))
        elif key not in recorded:
            verdict.differences.append(Difference(" ".join(key), "was never recorded"))
        elif found[key] != recorded[key]:
            verdict.differences.append(Difference(" ".join(key), "is not what was recorded"))


def _check_deliveries(read: Read, verdict: Verdict) -> None:
    """Replays the events of every delivery and compares the rows with what comes out."""
    replayed: dict[int, dict[str, Any]] = {}
    evidence: dict[tuple[int, int], str] = {}
    for event in read.sql("SELECT * FROM event WHERE type LIKE 'deliver%' ORDER BY at, chain, seq, ordinal"):
        data = json.loads(event.data)
        if event.type == "deliveries.planned":
            rows = planned_rows(read, event.alert_id, data["instance"], data["first"] - 1, data["last"])
            if len(rows) != data["count"] or static_digest(rows) != data["digest"]:
                place = f"deliveries {data['first']} to {data['last']}"
                verdict.differences.append(Difference(place, "are not those that were planned"))
            for row in rows:
                replayed[row.id] = {**_FRESH, "due_at": event.at, "alert_id": event.alert_id}
            continue
        ids = data.get("ids", [event.delivery_id])
        for id in ids:
            replayed.setdefault(id, {}).update(data.get("set", {}))
        if "attempt" in data and event.delivery_id is not None:
            evidence[event.delivery_id, data["attempt"]] = data.get("evidence", "open")
    for delivery in read.sql("SELECT * FROM delivery").mappings():
        verdict.deliveries += 1
        actual = dict(delivery)
        place = f"delivery {actual['id']}"
        wanted = replayed.pop(actual["id"], None)
        if wanted is None:
            verdict.differences.append(Difference(place, "was never recorded"))
            continue
        if actual["stage"] == "claimed":
            actual["stage"] = "planned"
        _compare(verdict, place, {name: wanted.get(name) for name in _TRACKED}, actual)
    for id in replayed:
        verdict.differences.append(Difference(f"delivery {id}", "is missing"))
    for attempt in read.sql("SELECT * FROM attempt"):
        known = evidence.pop((attempt.delivery_id, attempt.number), None)
        if known != attempt.evidence:
            place = f"attempt {attempt.number} at delivery {attempt.delivery_id}"
            verdict.differences.append(Difference(place, f"is {attempt.evidence} and was recorded as {known}"))
    for id, number in evidence:
        verdict.differences.append(Difference(f"attempt {number} at delivery {id}", "is missing"))


def _compare(verdict: Verdict, place: str, wanted: Mapping[str, Any], actual: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        found = actual[name]
        if found != value:
            verdict.differences.append(Difference(place, f"{name} is {found!r} and was recorded as {value!r}"))
