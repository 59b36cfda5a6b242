"""Alerts in the ledger: drafting, submission, approval, dispatch and stop. Rules are decided before; here they bite.

draft ↔ submitted → approved → dispatched → stopped | superseded | withdrawn | ended
draft | submitted | approved → discarded
prepared → dispatched            (a correction, approved with its alert)
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.exc import OperationalError

from kentongan.alert import Draft, Kind
from kentongan.clock import Milliseconds, to_milliseconds
from kentongan.errors import BadInput, DamagedRecord, Refused
from kentongan.ledger import drills, pictures, schema, steps, threads, yielding
from kentongan.ledger.chaining import canonical, digest
from kentongan.ledger.planning import plan_public
from kentongan.ledger.transaction import Read, Write
from kentongan.plan import Plan
from kentongan.seam import Document, Media, Mode, Rendered, Template


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as the ledger holds it."""

    id: str
    code: str
    kind: Kind
    mode: Mode
    state: str
    epoch: int
    predecessor: str | None
    draft: Draft
    digest: str
    created_at: Milliseconds
    created_by: str
    expires_at: Milliseconds | None


@dataclass(frozen=True, slots=True)
class Submission:
    """What an officer put up for approval: `subject` is the JSON that approvals sign over."""

    id: str
    officer: str
    at: Milliseconds
    subject: Mapping[str, Any]
    digest: str


def insert_alert(
    write: Write,
    *,
    id: str,
    code: str,
    kind: Kind,
    mode: Mode,
    draft: Draft,
    by: str,
    predecessor: str | None = None,
    raw: bytes | None = None,
    source_digest: str | None = None,
) -> StoredAlert:
    """Puts a new alert on record as a draft (a correction: as prepared with its alert)."""
    row = {
        "id": id,
        "code": code,
        "kind": kind.value,
        "predecessor": predecessor,
        "mode": mode.value,
        "content": draft.model_dump_json(),
        "raw": raw,
        "source_digest": source_digest,
        "created_at": write.now,
        "created_by": by,
    }
    expires = draft.expires
    moving = {
        "state": "prepared" if kind is Kind.CORRECTION else "draft",
        "epoch": 0,
        "expires_at": to_milliseconds(expires) if expires else None,
    }
    fixed = alert_digest(row)
    write.execute(insert(schema.alert).values(**row, **moving, digest=fixed))
    write.event("alert.drafted", alert=id, kind=kind, mode=mode, digest=fixed, by=by, set=moving)
    return get(write, id)


def alert_digest(row: Mapping[str, Any]) -> str:
    """Digest of the columns of an alert row that never change."""
    raw = row["raw"]
    fixed = [
        row["id"],
        row["code"],
        row["kind"],
        row["predecessor"],
        row["mode"],
        row["content"],
        hashlib.sha256(raw).hexdigest() if raw is not None else None,
        row["source_digest"],
        row["created_at"],
        row["created_by"],
    ]
    return digest(canonical(fixed))


def get(read: Read, alert_id: str) -> StoredAlert:
    """The alert with this id; raises KeyError, and DamagedRecord where its row cannot be read."""
    with _legible(read, alert_id, "its own row"):
        row = read.execute(select(schema.alert).where(schema.alert.c.id == alert_id)).mappings().first()
    if row is None:
        raise KeyError(alert_id)
    with _legible(read, alert_id, "its own row"):
        return _stored(row)


@contextlib.contextmanager
def _legible(read: Read, alert_id: str, what: str) -> Iterator[None]:
    """Raises DamagedRecord where a row of an alert is not what this program has written."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError):
        raise _damaged(read, alert_id, what) from None
    except OperationalError as error:
        # What is no UTF-8 any more, SQLite's driver does not hand out.
        if "UTF-8" not in str(error.orig):
            raise
        raise _damaged(read, alert_id, what) from None


def _damaged(read: Read, alert_id: str, what: str) -> DamagedRecord:
    name = codes(read, [alert_id]).get(alert_id, alert_id)
    return DamagedRecord(
        f"alert {name} is damaged in the ledger ({what}); `kentongan log verify` names what was changed,"
        " and a backup restores it"
    )


def codes(read: Read, ids: Sequence[str] | None = None) -> dict[str, str]:
    """The codes of these alerts, or of all, by id; damaged ones too."""
    rows = read.sql(
        "SELECT id, code FROM alert WHERE :all OR id IN (SELECT value FROM json_each(:ids))",
        {"all": ids is None, "ids": json.dumps(list(ids or ()))},
    ).all()
    return {row.id: row.code for row in rows}


def id_by_handle(read: Read, handle: str) -> str:
    """The id of the alert that an officer means by its code or id, though it be damaged; raises BadInput."""
    wanted = handle.strip().upper()
    found = read.sql("SELECT id FROM alert WHERE code = :code OR id = :id", {"code": wanted, "id": handle}).scalar()
    if found is None:
        raise BadInput(f"no alert {handle!r} in this ledger; `kentongan status` lists them")
    return str(found)


def by_handle(read: Read, handle: str) -> StoredAlert:
    """The alert that an officer means by its code or id; raises BadInput, DamagedRecord."""
    return get(read, id_by_handle(read, handle))


def by_source(read: Read, source_digest: str) -> StoredAlert | None:
    """The alert that the same documents made before, if one of them is still to be sent or being sent.

    One that was stopped, withdrawn or has ended bars nobody: what was withdrawn by mistake can be relayed anew.
    """
    table = schema.alert
    row = (
        read.execute(
            select(table)
            .where(
                table.c.source_digest == source_digest,
                table.c.state.not_in(("stopped", "withdrawn", "ended", "discarded")),
            )
            .order_by(table.c.created_at.desc())
        )
        .mappings()
        .first()
    )
    return _stored(row) if row else None


def by_origin(read: Read, sender: str, identifier: str) -> StoredAlert | None:
    """The newest alert that relays this message of another sender."""
    table = schema.alert
    row = (
        read.execute(
            select(table)
            .where(
                # One row that is damaged must not keep all others from being found.
                case((func.json_valid(table.c.content) == 1, func.json_extract(table.c.content, "$.origin.identifier")))
                == identifier,
                case((func.json_valid(table.c.content) == 1, func.json_extract(table.c.content, "$.origin.sender")))
                == sender,
            )
            .order_by(table.c.created_at.desc())
            .limit(1)
        )
        .mappings()
        .first()
    )
    return _stored(row) if row else None


def listing(read: Read, *, states: Sequence[str] = ()) -> list[StoredAlert]:
    """All alerts that can be read, the newest first; only those in `states`, where given. `damaged` has the others."""
    found = (_or_damage(read, id) for id in _ids(read, states))
    return [each for each in found if isinstance(each, StoredAlert)]


def damaged(read: Read) -> dict[str, DamagedRecord]:
    """The alerts whose own row cannot be read, by id, and of each what to do."""
    found = {id: _or_damage(read, id) for id in _ids(read, ())}
    return {id: each for id, each in found.items() if isinstance(each, DamagedRecord)}


def _ids(read: Read, states: Sequence[str]) -> list[str]:
    rows = read.sql(
        "SELECT id FROM alert WHERE :all OR state IN (SELECT value FROM json_each(:states))"
        " ORDER BY created_at DESC, id DESC",
        {"all": not states, "states": json.dumps(list(states))},
    )
    return [row.id for row in rows.all()]


def _or_damage(read: Read, alert_id: str) -> StoredAlert | DamagedRecord:
    try:
        return get(read, alert_id)
    except DamagedRecord as damage:
        return damage


def successors(read: Read, alert_id: str) -> list[StoredAlert]:
    """The alerts that follow this one in its thread."""
    table = schema.alert
    rows = read.execute(select(table.c.id).where(table.c.predecessor == alert_id).order_by(table.c.created_at))
    return [get(read, row.id) for row in rows.all()]


def code_is_free(read: Read, code: str) -> bool:
    """Whether no alert has this code yet."""
    return read.execute(select(schema.alert.c.id).where(schema.alert.c.code == code)).first() is None


def _stored(row: Any) -> StoredAlert:
    return StoredAlert(
        id=row["id"],
        code=row["code"],
        kind=Kind(row["kind"]),
        mode=Mode(row["mode"]),
        state=row["state"],
        epoch=row["epoch"],
        predecessor=row["predecessor"],
        draft=Draft.model_validate_json(row["content"]),
        digest=row["digest"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
    )


# --- Renderings ---


def put_renderings(write: Write, alert_id: str, messages: Sequence[Rendered]) -> None:
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


def renderings(read: Read, alert_id: str) -> list[Rendered]:
    """The messages of an alert, by instance and language; without a picture that is not there as it was approved."""
    table = schema.rendering
    rows = read.execute(
        select(table.c.content).where(table.c.alert_id == alert_id).order_by(table.c.instance, table.c.language)
    )
    with _legible(read, alert_id, "one of its messages"):
        messages = [rendered_from_json(row.content) for row in rows]
    kept = pictures.contents(read, {media.digest for message in messages for media in message.media})
    return [message.with_pictures(kept) for message in messages]


def rendering_digests(read: Read, alert_id: str) -> dict[str, str]:
    """The digests of an alert's renderings, by "instance:language"."""
    table = schema.rendering
    rows = read.execute(select(table).where(table.c.alert_id == alert_id))
    return {f"{row.instance}:{row.language}": row.digest for row in rows}


def rendered_to_json(message: Rendered) -> str:
    """A rendering as the ledger keeps it: of its pictures the digests, for the ledger keeps each of them once."""
    plain = {
        **dataclasses.asdict(dataclasses.replace(message, media=())),
        "media": [
            {"name": each.name, "media_type": each.media_type, "digest": each.digest, "description": each.description}
            for each in message.media
        ],
    }
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def rendered_from_json(content: str) -> Rendered:
    """The rendering that `rendered_to_json` wrote; its pictures have no content yet."""
    fields = json.loads(content)
    fields["mode"] = Mode(fields["mode"])
    fields["media"] = tuple(Media(**{**each, "content": b""}) for each in fields["media"])
    fields["documents"] = tuple(Document(**d) for d in fields["documents"])
    if (template := fields.get("template")) is not None:
        fields["template"] = Template(**{**template, "parameters": tuple(template["parameters"])})
    return Rendered(**fields)


# --- Submission and approval ---


def submit(write: Write, alert_id: str, *, officer: str, subject: Mapping[str, Any], id: str) -> None:
    """Puts an alert up for approval; `subject` is what approvals will sign. Earlier approvals no longer count."""
    _move(write, alert_id, ("draft", "submitted", "approved"), "submitted")
    before = write.sql("SELECT max(number) FROM submission WHERE alert_id = :id", {"id": alert_id}).scalar_one()
    row = {
        "id": id,
        "alert_id": alert_id,
        "number": (before or 0) + 1,
        "officer": officer,
        "at": write.now,
        "subject": canonical(subject),
    }
    fixed = signed_digest(row)
    write.execute(insert(schema.submission).values(**row, digest=fixed))
    write.event("alert.submitted", alert=alert_id, by=officer, submission=id, digest=fixed, set={"state": "submitted"})


def submission(read: Read, alert_id: str) -> Submission | None:
    """The latest submission of an alert."""
    table = schema.submission
    row = read.execute(
        select(table).where(table.c.alert_id == alert_id).order_by(table.c.number.desc()).limit(1)
    ).first()
    if row is None:
        return None
    with _legible(read, alert_id, "what was submitted for approval"):
        return Submission(row.id, row.officer, row.at, json.loads(row.subject), row.digest)


def signed_digest(row: Mapping[str, Any]) -> str:
    """Digest of a submission or approval row: all its columns but the digest itself."""
    return digest(canonical({name: value for name, value in row.items() if name != "digest"}))


def approve(
    write: Write, alert_id: str, *, officer: str, content: Mapping[str, Any], id: str, taken_by: str | None = None
) -> None:
    """Records one officer's signed approval, by which the alert becomes approved.

    `taken_by`: who took it down, where the officer said a one-time code and signed nothing.
    """
    _move(write, alert_id, ("submitted", "approved"), "approved")
    moved = {"state": "approved"}
    record_approval(write, alert_id, officer=officer, content=content, id=id, set=moved, taken_by=taken_by)


def record_approval(
    write: Write,
    alert_id: str,
    *,
    officer: str,
    content: Mapping[str, Any],
    id: str,
    set: Mapping[str, Any] | None = None,
    taken_by: str | None = None,
) -> None:
    """Records an officer's signed word; `set` is what it has moved in the alert's row, for the record."""
    about = submission(write, alert_id)
    row = {
        "id": id,
        "alert_id": alert_id,
        "submission": about.id if about else None,
        "officer": officer,
        "at": write.now,
        "content": canonical(content),
    }
    fixed = signed_digest(row)
    write.execute(insert(schema.approval).values(**row, digest=fixed))
    taken: dict[str, Any] = {"taken_by": taken_by} if taken_by is not None else {}
    write.event("alert.approved", alert=alert_id, by=officer, approval=id, digest=fixed, set=dict(set or {}), **taken)


def approvals(read: Read, alert_id: str) -> list[Mapping[str, Any]]:
    """The signed approvals of an alert's latest submission, oldest first; those of earlier ones no longer count."""
    table = schema.approval
    about = submission(read, alert_id)
    rows = read.execute(
        select(table.c.content)
        .where(table.c.alert_id == alert_id, table.c.submission == (about.id if about else None))
        .order_by(table.c.at)
    )
    return [json.loads(row.content) for row in rows]


def send_back(write: Write, alert_id: str, *, by: str, reason: str) -> None:
    """Makes an alert that was put up for approval a draft again; what officers signed of it no longer counts."""
    _move(write, alert_id, ("submitted", "approved"), "draft")
    write.event("alert.returned", alert=alert_id, by=by, reason=reason, set={"state": "draft"})


def discard(write: Write, alert_id: str, *, by: str, reason: str) -> None:
    """Gives an alert up for good that was never sent; it stays on record."""
    _move(write, alert_id, ("draft", "submitted", "approved"), "discarded")
    write.event("alert.discarded", alert=alert_id, by=by, reason=reason, set={"state": "discarded"})


def _move(write: Write, alert_id: str, allowed: Sequence[str], state: str) -> None:
    """Compares and sets an alert's state; raises Refused where it is in none of `allowed`."""
    table = schema.alert
    moved = write.execute(
        update(table).where(table.c.id == alert_id, table.c.state.in_(allowed)).values(state=state)
    ).rowcount
    if not moved:
        now = get(write, alert_id)
        raise Refused(f"alert {now.code} is {now.state}; it cannot become {state} any more", rule="state")


# --- Dispatch and stop ---


def dispatch(
    write: Write, alert_id: str, *, plan: Plan, by: str, allowed: Sequence[str], proof: Mapping[str, Any]
) -> None:
    """Commits an alert to be sent: from here nothing is lost.

    `allowed`: the states it may be dispatched from; `proof`: by what right, for the record. What it follows is
    superseded first, in the same transaction. Raises Refused where another has followed since, or the thread was
    withdrawn; a correction supersedes them all. A live alert stops every drill: from this commit none begins a request.
    """
    if plan.mode is Mode.LIVE:
        _stop_drills(write, alert_id, by=by)
    if plan.predecessor is not None:
        earlier = threads.messages(write, plan.predecessor)
        if plan.kind is not Kind.CORRECTION and earlier[-1:] != [plan.predecessor]:
            _refuse_overtaken(write, alert_id, earlier)
        state = "withdrawn" if plan.kind is Kind.CORRECTION else "superseded"
        for each in earlier:
            if get(write, each).state == "dispatched":
                stop(write, each, by=by, signed=True, why=f"followed by {get(write, alert_id).code}", state=state)
    _move(write, alert_id, allowed, "dispatched")
    content = plan.model_dump_json()
    write.execute(insert(schema.dispatch).values(alert_id=alert_id, at=write.now, by=by, plan=content))
    write.event(
        "alert.dispatched",
        alert=alert_id,
        by=by,
        plan=digest(content),
        instances=[instance.name for instance in plan.instances],
        proof=dict(proof),
        set={"state": "dispatched"},
    )
    plan_public(write, alert_id, plan)
    steps.begin(write, alert_id, plan)


def _stop_drills(write: Write, alert_id: str, *, by: str) -> None:
    why = f"live alert {get(write, alert_id).code} was sent"
    for each in yielding.to_stop(write):
        stop(write, each, by=by, signed=True, why=why)
    drills.stop_running(write, why=why)


def _refuse_overtaken(read: Read, alert_id: str, earlier: Sequence[str]) -> None:
    own = get(read, alert_id)
    if not earlier:
        assert own.predecessor is not None
        before = get(read, own.predecessor)
        raise Refused(f"alert {before.code}, which {own.code} follows, was never sent; discard it", rule="thread")
    newest = get(read, earlier[-1])
    if newest.kind is Kind.CORRECTION:
        told = f"the thread was withdrawn by {newest.code}; draft a new alert"
    else:
        told = f"{newest.code} ({newest.kind}) was sent since; draft what follows it instead"
    raise Refused(f"{own.code} can follow nothing any more: {told}", rule="thread")


def stop(write: Write, alert_id: str, *, by: str, signed: bool, why: str = "", state: str = "stopped") -> int:
    """Raises the alert's epoch: from this commit no intent of the old one can be written. Returns the new epoch.

    `state` is the one it ends in: stopped, or superseded or withdrawn by another message of its thread.
    """
    table = schema.alert
    moved = write.execute(
        update(table)
        .where(table.c.id == alert_id, table.c.state == "dispatched")
        .values(state=state, epoch=table.c.epoch + 1)
    ).rowcount
    stopped = get(write, alert_id)
    if not moved:
        code = stopped.code
        if stopped.state in ("stopped", "superseded"):
            told = f"is {stopped.state} already; `kentongan follow-up {code} --kind correction` withdraws what had left"
        elif stopped.state == "withdrawn":
            told = f"is withdrawn already; see `kentongan status {code}`"
        else:
            told = f"was not sent, so there is nothing to stop; see `kentongan status {code}`"
        raise Refused(f"alert {code} {told}", rule="state")
    write.event(
        "alert.stopped",
        alert=alert_id,
        by=by,
        signed=signed,
        why=why,
        set={"state": state, "epoch": stopped.epoch},
    )
    return stopped.epoch


def end_expired(write: Write) -> int:
    """Ends dispatched alerts that have expired and have nothing left to be sent."""
    rows = write.sql(
        "SELECT id FROM alert a WHERE state = 'dispatched' AND expires_at <= :now AND NOT EXISTS"
        " (SELECT 1 FROM delivery d WHERE d.alert_id = a.id AND d.stage <> 'done')"
        " AND EXISTS (SELECT 1 FROM dispatch s WHERE s.alert_id = a.id AND s.expanded = 1)",
        {"now": write.now},
    ).all()
    for row in rows:
        _move(write, row.id, ("dispatched",), "ended")
        write.event("alert.ended", alert=row.id, why="expired", set={"state": "ended"})
    return len(rows)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A dispatch as the ledger holds it."""

    alert_id: str
    at: Milliseconds
    by: str
    plan: Plan
    owner: str | None
    expanded: bool


def get_dispatch(read: Read, alert_id: str) -> Dispatch | None:
    """The dispatch of an alert, None where it was not dispatched."""
    row = read.execute(select(schema.dispatch).where(schema.dispatch.c.alert_id == alert_id)).first()
    if row is None:
        return None
    with _legible(read, alert_id, "its plan"):
        plan = Plan.model_validate_json(row.plan)
    return Dispatch(
        alert_id=row.alert_id, at=row.at, by=row.by, plan=plan, owner=row.owner, expanded=bool(row.expanded)
    )


def own(write: Write, alert_id: str, *, sender: str, gone: Sequence[str]) -> bool:
    """Takes a dispatch over for `sender`, where it has no owner or one of those `gone`; True where it is ours."""
    row = write.sql("SELECT owner FROM dispatch WHERE alert_id = :id", {"id": alert_id}).first()
    if row is None:
        return False
    if row.owner == sender:
        return True
    if row.owner is not None and row.owner not in gone:
        return False
    write.sql("UPDATE dispatch SET owner = :sender WHERE alert_id = :id", {"sender": sender, "id": alert_id})
    write.event("dispatch.owned", alert=alert_id, before=row.owner, set={"owner": sender})
    return True
